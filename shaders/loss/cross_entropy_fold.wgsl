// Cross-entropy of a softmax, second stage: the loss, and the factor of its gradient.
//
// One workgroup. Traffic: small.

import package::shared::tree::tree_sum;

struct Params { shares: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> loss: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> scale: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4<f32>(0.0);
    for (var s = lane; s < p.shares; s += 64u) { sum += partial[s]; }
    let all = tree_sum(sum, lane);
    if lane == 0u {
        // Where no pixel counts there is nothing to lose.
        let factor = select(0.0, 1.0 / all.y, all.y > 0.0);
        loss[0] = vec4<f32>(all.x * factor, 0.0, 0.0, 0.0);
        scale[0] = vec4<f32>(factor, 0.0, 0.0, 0.0);
    }
}

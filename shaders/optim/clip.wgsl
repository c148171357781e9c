// Norm of all gradients, second stage: the norm (x) and the factor that holds it to a limit (y).
//
// One workgroup. Traffic: small.

import package::shared::tree::tree_sum;

struct Params { shares: u32, limit: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> clip: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;
// As optim/scale has it.
@if(scaled) @group(0) @binding(3) var<storage, read> scaling: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4<f32>(0.0);
    for (var s = lane; s < p.shares; s += 64u) {
        sum += partial[s];
    }
    let all = tree_sum(sum, lane);
    if lane == 0u {
        let squares = all.x + all.y + all.z + all.w;
        // The root of zero may be computed through an infinity; NaN goes through, to be seen by the host.
        var norm = select(sqrt(squares), 0.0, squares == 0.0);
        @if(scaled) { norm *= scaling[0].z; }
        clip[0] = vec4<f32>(norm, min(1.0, p.limit / (norm + 1e-6)), 0.0, 0.0);
    }
}

// Binary cross-entropy of logits: its gradient, and a partial sum a workgroup.
//
// A workgroup walks every `shares`-th block of 64 vec4. Traffic: logits and truth read once, gradient
// written once; the second stage, loss/total, is small.

import package::shared::lanes::clear_padding;
import package::shared::probability::sigmoid_chance;
import package::shared::tree::tree_sum;

struct Params { size: u32, c4: u32, channels: u32, shares: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dlogits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> truth: array<vec4<f32>>;

// log(1 + e) for 0 <= e <= 1; the sum has lost the digits of a small e.
fn log_one_plus(e: vec4<f32>) -> vec4<f32> {
    return select(log(1.0 + e), e * (1.0 - 0.5 * e), e < vec4<f32>(1e-3));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = group.x + group.y * groups.x;
    if first >= p.shares { return; }
    var sum = vec4<f32>(0.0);
    for (var i = first * 64u + lane; i < p.size; i += p.shares * 64u) {
        let v = logits[i];
        let g = truth[i];
        let chance = sigmoid_chance(v);
        // max(v, 0) - v g and p - g, each as a sum whose terms do not cancel where g is 0 or 1.
        let wrong = abs(v) * select(g, 1.0 - g, v >= vec4<f32>(0.0));
        sum += clear_padding(wrong + log_one_plus(exp(-abs(v))), i % p.c4, p.channels);
        let slope = chance.yes * (1.0 - g) - chance.no * g;
        dlogits[i] = clear_padding(slope * p.scale, i % p.c4, p.channels);
    }
    let all = tree_sum(sum, lane);
    if lane == 0u { partial[first] = all; }
}

// Batch statistics, second stage: merges the shares (Chan et al.), leaves mean and 1 / deviation, and moves
// the running statistics towards them.
//
// One invocation a vec4 of channels. Traffic: small.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { pixels: u32, c4: u32, channels: u32, shares: u32, eps: f32, momentum: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> statistics: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> running_mean: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> running_var: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = invocation(gid, groups);
    if c >= p.c4 { return; }
    var mean = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    var count = 0.0;
    for (var s = 0u; s < p.shares; s++) {
        let at = s * 2u * p.c4 + c;
        let more = f32((p.pixels - s + p.shares - 1u) / p.shares);
        let delta = partial[at] - mean;
        let total = count + more;
        mean += delta * (more / total);
        squares += partial[at + p.c4] + delta * delta * (count * more / total);
        count = total;
    }
    statistics[c] = mean;
    statistics[p.c4 + c] = clear_padding(inverseSqrt(squares / count + p.eps), c, p.channels);
    running_mean[c] = mix(running_mean[c], mean, p.momentum);
    running_var[c] = mix(running_var[c], squares / (count - 1.0), p.momentum);
}

// Mean and 1 / deviation from the running statistics.
//
// One invocation a vec4 of channels. Traffic: small.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { c4: u32, channels: u32, eps: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> statistics: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> running_mean: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> running_var: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = invocation(gid, groups);
    if c >= p.c4 { return; }
    statistics[c] = running_mean[c];
    statistics[p.c4 + c] = clear_padding(inverseSqrt(running_var[c] + p.eps), c, p.channels);
}

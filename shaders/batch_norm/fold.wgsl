// Scale and shift of a batch norm by running statistics, for the epilogue of a convolution.
//
// One invocation a vec4 of channels. Traffic: small.

import package::shared::grid::invocation;

struct Params { c4: u32, eps: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> norm: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> running_mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> running_var: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = invocation(gid, groups);
    if c >= p.c4 { return; }
    let scale = gamma[c] * inverseSqrt(running_var[c] + p.eps);
    norm[c] = scale;
    norm[p.c4 + c] = beta[c] - running_mean[c] * scale;
}

// Gradient of batch norm, third stage: dx, and the gradient of the tensor added before the activation.
//
// One invocation a vec4. Traffic: dy, x (and the summand) read once, each gradient written once.

import package::shared::grid::invocation;
import package::shared::activate::derivative;

struct Params { size: u32, c4: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
// Rows: mean, 1 / deviation, gamma, beta, mean of g, mean of g * normalised x.
@group(0) @binding(4) var<storage, read> coefficients: array<vec4<f32>>;
@if(joined) @group(0) @binding(5) var<storage, read> joined: array<vec4<f32>>;
@if(joined) @group(0) @binding(6) var<storage, read_write> d_joined: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let c = i % p.c4;
    let rstd = coefficients[p.c4 + c];
    let gamma = coefficients[2u * p.c4 + c];
    let normal = (x[i] - coefficients[c]) * rstd;
    var before = fma(normal, gamma, coefficients[3u * p.c4 + c]);
    @if(joined) { before += joined[i]; }
    let g = dy[i] * derivative(before, p.slope);
    @if(joined) { d_joined[i] = g; }
    dx[i] = gamma * rstd * (g - coefficients[4u * p.c4 + c] - normal * coefficients[5u * p.c4 + c]);
}

// Gradient of batch norm, third stage: dx, and the gradient of the tensor added before the activation.
//
// Tiling: an invocation keeps what one vec4 of channels needs in registers over RUN pixels. Traffic: dy, x (and
// the summand) read once, each gradient written once.

import package::variant::RUN;
import package::shared::grid::invocation;
import package::shared::activate::derivative;

struct Params { pixels: u32, c4: u32, slope: f32 }

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
    let index = invocation(gid, groups);
    let block = index / p.c4;
    let c = index - block * p.c4;
    let mean = coefficients[c];
    let rstd = coefficients[p.c4 + c];
    let gamma = coefficients[2u * p.c4 + c];
    let beta = coefficients[3u * p.c4 + c];
    let mean_g = coefficients[4u * p.c4 + c];
    let mean_product = coefficients[5u * p.c4 + c];
    for (var pixel = block * RUN; pixel < min(block * RUN + RUN, p.pixels); pixel++) {
        let i = pixel * p.c4 + c;
        let normal = (x[i] - mean) * rstd;
        var before = fma(normal, gamma, beta);
        @if(joined) { before += joined[i]; }
        let g = dy[i] * derivative(before, p.slope);
        @if(joined) { d_joined[i] = g; }
        dx[i] = gamma * rstd * (g - mean_g - normal * mean_product);
    }
}

// Gradient of batch norm, first stage: sums of g and of g * normalised x over each share of the pixels,
// where g is dy taken back through the activation.
//
// An invocation walks the pixels of its share for one vec4 of channels. Traffic: dy, x (and the summand)
// read once.

import package::shared::grid::invocation;
import package::shared::activate::derivative;

struct Params { pixels: u32, c4: u32, shares: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> statistics: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> beta: array<vec4<f32>>;
@if(joined) @group(0) @binding(7) var<storage, read> joined: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.shares * p.c4 { return; }
    let share = i / p.c4;
    let c = i % p.c4;
    let mean = statistics[c];
    let rstd = statistics[p.c4 + c];
    let scale = gamma[c];
    let shift = beta[c];
    var sum = vec4<f32>(0.0);
    var products = vec4<f32>(0.0);
    for (var pixel = share; pixel < p.pixels; pixel += p.shares) {
        let at = pixel * p.c4 + c;
        let normal = (x[at] - mean) * rstd;
        var before = fma(normal, scale, shift);
        @if(joined) { before += joined[at]; }
        let g = dy[at] * derivative(before, p.slope);
        sum += g;
        products = fma(g, normal, products);
    }
    let at = share * 2u * p.c4 + c;
    partial[at] = sum;
    partial[at + p.c4] = products;
}

// Gradient of batch norm, second stage: adds the shares in a fixed order, adds to the gradients of gamma and
// beta, and gathers what the third stage needs a channel.
//
// One invocation a vec4 of channels. Traffic: small.

import package::shared::grid::invocation;

struct Params { c4: u32, shares: u32, weight: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> coefficients: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> d_gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> d_beta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> statistics: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> beta: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let c = invocation(gid, groups);
    if c >= p.c4 { return; }
    var sum = vec4<f32>(0.0);
    var products = vec4<f32>(0.0);
    for (var s = 0u; s < p.shares; s++) {
        let at = s * 2u * p.c4 + c;
        sum += partial[at];
        products += partial[at + p.c4];
    }
    d_beta[c] += sum;
    d_gamma[c] += products;
    coefficients[c] = statistics[c];
    coefficients[p.c4 + c] = statistics[p.c4 + c];
    coefficients[2u * p.c4 + c] = gamma[c];
    coefficients[3u * p.c4 + c] = beta[c];
    coefficients[4u * p.c4 + c] = sum * p.weight;
    coefficients[5u * p.c4 + c] = products * p.weight;
}

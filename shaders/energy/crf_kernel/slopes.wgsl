// Gradient of the weights of likeness by the squared differences, with the sign turned.
//
// One invocation a pixel. Traffic: weights and their gradient once, the result once.

import package::shared::grid::invocation;

struct Params { pixels: u32, narrow: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> slopes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    @if(!normalised) let mean = 0.0;
    @if(normalised) let mean = dot(weights[i], dy[i]);
    slopes[i] = p.narrow * weights[i] * (dy[i] - mean);
}

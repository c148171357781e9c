// Sum of a pixel's neighbours by its weights for them; or, as the adjoint, by their weights for it.
//
// One invocation a vec4. Traffic: u five times (the adjoint the weights too), mostly from cache, weights once; y once.

import package::shared::grid::invocation;
import package::shared::around::{around, towards, Around};

struct Params { size: u32, h: u32, w: u32, c4: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> u: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i / p.c4;
    let near = around(pixel, p.h, p.w);
    @if(!adjoint) let given = weights[pixel];
    @if(adjoint) let given = towards(weights[near.at.x], weights[near.at.y], weights[near.at.z], weights[near.at.w]);
    let by = near.there * given * p.scale;
    let at = near.at * p.c4 + i % p.c4;
    y[i] = by.x * u[at.x] + by.y * u[at.y] + by.z * u[at.z] + by.w * u[at.w];
}

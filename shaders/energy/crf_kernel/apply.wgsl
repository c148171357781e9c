// Gradient of the weights of likeness by the picture: each difference acts on both its pixels.
//
// One invocation a vec4. Traffic: x and slopes five times, mostly from cache; the result once.

import package::shared::grid::invocation;
import package::shared::around::{around, towards, Around};

struct Params { size: u32, h: u32, w: u32, c4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> slopes: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i / p.c4;
    let near = around(pixel, p.h, p.w);
    let there = towards(slopes[near.at.x], slopes[near.at.y], slopes[near.at.z], slopes[near.at.w]);
    let pull = -2.0 * near.there * (slopes[pixel] + there);
    let own = x[i];
    let at = near.at * p.c4 + i % p.c4;
    dx[i] = pull.x * (own - x[at.x]) + pull.y * (own - x[at.y]) + pull.z * (own - x[at.z]) + pull.w * (own - x[at.w]);
}

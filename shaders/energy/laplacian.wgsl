// Laplacian of a picture's grey values over the neighbours that exist: the sum of (neighbour - pixel).
//
// One invocation a pixel. Traffic: x five times, mostly from cache; the result once.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};

struct Params { pixels: u32, h: u32, w: u32, c4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

fn grey(pixel: u32) -> f32 {
    let v = x[pixel * p.c4];
    @if(colour) { return dot(v.xyz, vec3<f32>(0.299, 0.587, 0.114)); }
    @if(!colour) { return v.x; }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let near = around(i, p.h, p.w);
    let seen = vec4<f32>(grey(near.at.x), grey(near.at.y), grey(near.at.z), grey(near.at.w));
    y[i] = vec4<f32>(dot(near.there, seen - grey(i)), 0.0, 0.0, 0.0);
}

// Scalar products of each pixel of one tensor with its neighbours in another.
//
// One invocation a pixel. Traffic: a once, u four times, mostly from cache; the result once.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};

struct Params { pixels: u32, h: u32, w: u32, c4: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> u: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let near = around(i, p.h, p.w);
    var sum = vec4<f32>(0.0);
    for (var c = 0u; c < p.c4; c++) {
        let own = a[i * p.c4 + c];
        let at = near.at * p.c4 + c;
        sum += vec4<f32>(dot(own, u[at.x]), dot(own, u[at.y]), dot(own, u[at.z]), dot(own, u[at.w]));
    }
    y[i] = p.scale * near.there * sum;
}

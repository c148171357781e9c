// Pictures at another size: nearest pixel or bilinear.
//
// One invocation a vec4 of y. Traffic: y written once; bilinear reads four x for each, mostly from cache.

import package::shared::grid::invocation;
import package::shared::scale::{Scale, Spot, spot};

@group(0) @binding(0) var<uniform> p: Scale;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

fn seen(n: i32, iy: i32, ix: i32, c: u32) -> vec4<f32> {
    return x[u32((n * p.in_h + iy) * p.in_w + ix) * p.c4 + c];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i32(i / p.c4);
    let c = i % p.c4;
    let n = pixel / (p.out_w * p.out_h);
    let row = spot(pixel / p.out_w % p.out_h, p.mul_y, p.add_y, p.den_y);
    let col = spot(pixel % p.out_w, p.mul_x, p.add_x, p.den_x);
    @if(!bilinear) { y[i] = seen(n, row.at, col.at, c); }
    @if(bilinear) {
        let below = min(row.at + 1, p.in_h - 1);
        let right = min(col.at + 1, p.in_w - 1);
        let upper = mix(seen(n, row.at, col.at, c), seen(n, row.at, right, c), col.share);
        let lower = mix(seen(n, below, col.at, c), seen(n, below, right, c), col.share);
        y[i] = mix(upper, lower, row.share);
    }
}

// Gradient of resizing by its input, gathered: every input pixel sums over the output pixels that see it.
//
// One invocation a vec4 of dx. Traffic: dx written once; bilinear reads each dy four times, mostly from
// cache.

import package::shared::grid::invocation;
import package::shared::scale::{Scale, Spot, spot};

@group(0) @binding(0) var<uniform> p: Scale;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;

// First and last output position that may see input position i.
fn reach(i: i32, mul: i32, add: i32, den: i32, count: i32) -> vec2<i32> {
    if mul == 0 { return vec2<i32>(0, count - 1); }
    return vec2<i32>(max(((i - 1) * den - add) / mul, 0), min(((i + 1) * den - add) / mul, count - 1));
}

// What output position `o` takes of input position i, the last one being `last`.
fn weight(i: i32, last: i32, o: Spot) -> f32 {
    @if(!bilinear) { return select(0.0, 1.0, o.at == i); }
    return select(0.0, 1.0 - o.share, o.at == i) + select(0.0, o.share, min(o.at + 1, last) == i);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i32(i / p.c4);
    let ix = pixel % p.in_w;
    let iy = pixel / p.in_w % p.in_h;
    let n = pixel / (p.in_w * p.in_h);
    let rows = reach(iy, p.mul_y, p.add_y, p.den_y, p.out_h);
    let cols = reach(ix, p.mul_x, p.add_x, p.den_x, p.out_w);
    var sum = vec4<f32>(0.0);
    for (var oy = rows.x; oy <= rows.y; oy++) {
        let down = weight(iy, p.in_h - 1, spot(oy, p.mul_y, p.add_y, p.den_y));
        if down == 0.0 { continue; }
        for (var ox = cols.x; ox <= cols.y; ox++) {
            let across = weight(ix, p.in_w - 1, spot(ox, p.mul_x, p.add_x, p.den_x));
            if across == 0.0 { continue; }
            sum += down * across * dy[u32((n * p.out_h + oy) * p.out_w + ox) * p.c4 + i % p.c4];
        }
    }
    dx[i] = sum;
}

// Pictures at another size: nearest pixel or bilinear.
//
// Tiling: an invocation makes RUN pixels of a row for one vec4 of channels, walking along the input without a
// division. Traffic: y written once; bilinear reads four x for each place on the input it comes to, mostly from cache.

import package::variant::RUN;
import package::shared::grid::invocation;
import package::shared::scale::{Scale, Place, Spot, place, spot};

@group(0) @binding(0) var<uniform> p: Scale;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

// Column `at` of the input between two of its rows, for block c of channels.
@if(bilinear)
fn column(upper: u32, lower: u32, at: i32, share: f32, c: u32) -> vec4<f32> {
    let i = u32(clamp(at, 0, p.in_w - 1));
    return mix(x[(upper + i) * p.c4 + c], x[(lower + i) * p.c4 + c], share);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let c = i % p.c4;
    let strips = (p.out_w + i32(RUN) - 1) / i32(RUN);
    let strip = i32(i / p.c4);
    let first = strip % strips * i32(RUN);
    let line = strip / strips;
    let n = line / p.out_h;
    let row = spot(place(line - n * p.out_h, p.mul_y, p.add_y, p.den_y), p.den_y);
    let upper = u32((n * p.in_h + row.at) * p.in_w);
    let lower = u32((n * p.in_h + min(row.at + 1, p.in_h - 1)) * p.in_w);
    // What the place on the row moves on by from pixel to pixel.
    let whole = p.mul_x / p.den_x;
    let part = p.mul_x - whole * p.den_x;
    var at = place(first, p.mul_x, p.add_x, p.den_x);
    @if(bilinear) var left = column(upper, lower, at.at, row.share, c);
    @if(bilinear) var right = column(upper, lower, max(at.at, 0) + 1, row.share, c);
    for (var ox = first; ox < min(first + i32(RUN), p.out_w); ox++) {
        let col = spot(at, p.den_x);
        @if(!bilinear) let v = x[(upper + u32(col.at)) * p.c4 + c];
        @if(bilinear) let v = mix(left, right, col.share);
        y[u32(line * p.out_w + ox) * p.c4 + c] = v;
        let carry = at.part + part >= p.den_x;
        at.at += select(whole, whole + 1, carry);
        at.part += select(part, part - p.den_x, carry);
        @if(bilinear) {
            if max(at.at, 0) != col.at {
                left = column(upper, lower, at.at, row.share, c);
                right = column(upper, lower, at.at + 1, row.share, c);
            }
        }
    }
}

// Gradient of resizing by its input, gathered: every input pixel sums over the output pixels that see it.
//
// Tiling: an invocation makes RUN pixels of a row for one vec4 of channels; the outputs that see a pixel end
// where those past the next begin, so each costs one division. Traffic: dx written once, each dy read once, or
// four times where bilinear, mostly from cache.

import package::variant::RUN;
import package::shared::grid::invocation;
import package::shared::scale::{Scale, first_past};

@group(0) @binding(0) var<uniform> p: Scale;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;

// What output position o takes of input position i, the last one being `last`: a triangle around i, on which
// outputs beyond the ends lie at the ends.
fn weight(o: i32, i: i32, last: i32, mul: i32, add: i32, den: i32) -> f32 {
    @if(!bilinear) { return 1.0; }
    let t = clamp(o * mul + add, 0, last * den);
    return max(1.0 - f32(abs(t - i * den)) / f32(den), 0.0);
}

// First output past i, where the bilinear filter of the one before ends, and all for a single input.
fn edge(i: i32, last: i32, mul: i32, add: i32, den: i32, count: i32) -> i32 {
    if i < 0 || mul == 0 { return select(0, count, i > 0); }
    return select(first_past(i, mul, add, den, count), count, i > last);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let c = i % p.c4;
    let strips = (p.in_w + i32(RUN) - 1) / i32(RUN);
    let strip = i32(i / p.c4);
    let first = strip % strips * i32(RUN);
    let line = strip / strips;
    let n = line / p.in_h;
    let iy = line - n * p.in_h;
    let last_y = p.in_h - 1;
    let last_x = p.in_w - 1;
    var top = edge(iy, last_y, p.mul_y, p.add_y, p.den_y, p.out_h);
    @if(bilinear) { top = edge(iy - 1, last_y, p.mul_y, p.add_y, p.den_y, p.out_h); }
    let bottom = edge(iy + 1, last_y, p.mul_y, p.add_y, p.den_y, p.out_h);
    var before = edge(first - 1, last_x, p.mul_x, p.add_x, p.den_x, p.out_w);
    var here = edge(first, last_x, p.mul_x, p.add_x, p.den_x, p.out_w);
    for (var ix = first; ix < min(first + i32(RUN), p.in_w); ix++) {
        let past = edge(ix + 1, last_x, p.mul_x, p.add_x, p.den_x, p.out_w);
        var left = here;
        @if(bilinear) { left = before; }
        var sum = vec4<f32>(0.0);
        for (var oy = top; oy < bottom; oy++) {
            let down = weight(oy, iy, last_y, p.mul_y, p.add_y, p.den_y);
            let row = (n * p.out_h + oy) * p.out_w;
            for (var ox = left; ox < past; ox++) {
                let share = down * weight(ox, ix, last_x, p.mul_x, p.add_x, p.den_x);
                sum = fma(vec4<f32>(share), dy[u32(row + ox) * p.c4 + c], sum);
            }
        }
        dx[u32(line * p.in_w + ix) * p.c4 + c] = sum;
        before = here;
        here = past;
    }
}

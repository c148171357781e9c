// Gradient of pooling by its input, gathered: every input pixel sums over the windows that reach it. Of
// equal maxima the first of the window, row by row, takes all.
//
// Where windows do not overlap (`tiles`) an invocation makes all of dx in one window of a vec4 of channels;
// those beyond the last window write the zeros at the border. Else one invocation a vec4 of dx. Traffic: dx
// written once, tiles read dy (and x) once; else dy (and y) once a window that covers the pixel, and x again
// in windows whose maximum the pixel equals.

import package::shared::grid::invocation;
import package::shared::window::{Window, first_reaching};

@group(0) @binding(0) var<uniform> p: Window;
@group(0) @binding(1) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@if(largest) @group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@if(largest) @group(0) @binding(4) var<storage, read> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    @if(tiles) { tile(i); }
    @if(!tiles) { gather(i); }
}

@if(tiles)
fn tile(i: u32) {
    let c = i % p.c4;
    let cols = (p.in_w + p.kernel_w - 1) / p.kernel_w;
    let rows = (p.in_h + p.kernel_h - 1) / p.kernel_h;
    let cell = i32(i / p.c4);
    let line = cell / cols;
    let ox = cell - line * cols;
    let n = line / rows;
    let oy = line - n * rows;
    let window = oy < p.out_h && ox < p.out_w;
    let at = u32((n * p.out_h + min(oy, p.out_h - 1)) * p.out_w + min(ox, p.out_w - 1)) * p.c4 + c;
    let g = select(vec4<f32>(0.0), dy[at] * p.scale, window);
    var maximum = vec4<f32>(0.0);
    @if(largest) { maximum = y[at]; }
    // Channels whose maximum has been met.
    var met = vec4<bool>(false);
    for (var iy = oy * p.kernel_h; iy < min((oy + 1) * p.kernel_h, p.in_h); iy++) {
        for (var ix = ox * p.kernel_w; ix < min((ox + 1) * p.kernel_w, p.in_w); ix++) {
            let to = u32((n * p.in_h + iy) * p.in_w + ix) * p.c4 + c;
            @if(!largest) { dx[to] = g; }
            @if(largest) {
                let wins = !met & (x[to] == maximum);
                dx[to] = select(vec4<f32>(0.0), g, wins);
                met = met | wins;
            }
        }
    }
}

@if(!tiles)
fn gather(i: u32) {
    let pixel = i32(i / p.c4);
    let c = i % p.c4;
    let ix = pixel % p.in_w;
    let iy = pixel / p.in_w % p.in_h;
    let n = pixel / (p.in_w * p.in_h);
    let last_y = min((iy + p.pad_y) / p.stride_y, p.out_h - 1);
    let last_x = min((ix + p.pad_x) / p.stride_x, p.out_w - 1);
    var sum = vec4<f32>(0.0);
    for (var oy = first_reaching(iy, p.kernel_h, p.stride_y, p.pad_y); oy <= last_y; oy++) {
        for (var ox = first_reaching(ix, p.kernel_w, p.stride_x, p.pad_x); ox <= last_x; ox++) {
            let at = u32((n * p.out_h + oy) * p.out_w + ox) * p.c4 + c;
            @if(!largest) { sum += dy[at]; }
            @if(largest) {
                let maximum = y[at];
                var wins = x[i] == maximum;
                if !any(wins) { continue; }
                let first_x = max(ox * p.stride_x - p.pad_x, 0);
                let end_x = min(ox * p.stride_x - p.pad_x + p.kernel_w, p.in_w);
                for (var wy = max(oy * p.stride_y - p.pad_y, 0); wy <= iy; wy++) {
                    for (var wx = first_x; wx < select(end_x, ix, wy == iy); wx++) {
                        wins = wins & (x[u32((n * p.in_h + wy) * p.in_w + wx) * p.c4 + c] != maximum);
                    }
                }
                sum += select(vec4<f32>(0.0), dy[at], wins);
            }
        }
    }
    dx[i] = sum * p.scale;
}

// Maximum or mean of each channel over windows of pixels.
//
// Tiling: an invocation makes RUN pixels of a row for one vec4 of channels. Traffic: y written once, x read
// once a window that covers it, from cache where windows overlap.

import package::variant::{RUN, KERNEL_H, KERNEL_W};
import package::shared::grid::invocation;
import package::shared::window::Window;

@group(0) @binding(0) var<uniform> p: Window;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let strip = i32(i / p.c4);
    let c = i - u32(strip) * p.c4;
    let strips = (p.out_w + i32(RUN) - 1) / i32(RUN);
    let line = strip / strips;
    let first_x = (strip - line * strips) * i32(RUN);
    let n = line / p.out_h;
    let top = (line - n * p.out_h) * p.stride_y - p.pad_y;
    for (var ox = first_x; ox < min(first_x + i32(RUN), p.out_w); ox++) {
        let left = ox * p.stride_x - p.pad_x;
        var v = vec4<f32>(0.0);
        for (var ky = 0; ky < i32(KERNEL_H); ky++) {
            // Every window holds a pixel, so that next to padding is in it, and a maximum may see it twice.
            let iy = clamp(top + ky, 0, p.in_h - 1);
            for (var kx = 0; kx < i32(KERNEL_W); kx++) {
                let ix = clamp(left + kx, 0, p.in_w - 1);
                let seen = x[u32((n * p.in_h + iy) * p.in_w + ix) * p.c4 + c];
                @if(largest) { v = select(max(v, seen), seen, ky + kx == 0); }
                @if(!largest) { v += select(vec4<f32>(0.0), seen, iy == top + ky && ix == left + kx); }
            }
        }
        y[u32(line * p.out_w + ox) * p.c4 + c] = v * p.scale;
    }
}

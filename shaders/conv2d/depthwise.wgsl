// Depthwise convolution, and with turned geometry its transpose: every channel by itself.
//
// Tiling: an invocation holds PIXELS pixels of a row for one vec4 of channels in registers.
// Traffic per tap: PIXELS + 1 vec4 loads (mostly from cache) for 4 * PIXELS multiply-adds.

import package::variant::{PIXELS, KERNEL_H, KERNEL_W, STRIDE_X, UP_X};
import package::shared::gather::Gather;
import package::shared::strip::{NOWHERE, place, source_x, source_y};
import package::shared::grid::invocation;
import package::shared::epilogue::{epilogue, finish};

@group(0) @binding(0) var<uniform> g: Gather;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = place(g, invocation(gid, groups), g.cols4);
    if !at.inside { return; }
    let c4 = at.block;
    var acc: array<vec4<f32>, PIXELS>;
    for (var ky = 0u; ky < KERNEL_H; ky++) {
        let iy = source_y(g, at.y, ky);
        if iy < 0 || iy >= g.in_h { continue; }
        for (var kx = 0u; kx < KERNEL_W; kx++) {
            let ix = source_x(g, at.x, kx);
            if ix == NOWHERE { continue; }
            let row = (at.n * u32(g.in_h) + u32(iy)) * u32(g.in_w);
            let weight = w[(ky * KERNEL_W + kx) * g.cols4 + c4];
            for (var p = 0u; p < PIXELS; p++) {
                let px = ix + i32(p * STRIDE_X);
                let seen = x[(row + u32(clamp(px, 0, g.in_w - 1))) * g.cols4 + c4];
                acc[p] = select(acc[p], fma(seen, weight, acc[p]), px >= 0 && px < g.in_w);
            }
        }
    }
    let e = epilogue(c4, g.out_c);
    for (var p = 0u; p < PIXELS; p++) {
        let ox = at.x + p * UP_X;
        if ox >= g.out_w { break; }
        let to = ((at.n * g.out_h + at.y) * g.out_w + ox) * g.cols4 + c4;
        y[to] = finish(acc[p], to, g.slope, e);
    }
}

// Depthwise convolution, and with turned geometry its transpose: every channel by itself.
//
// Tiling: an invocation holds PIXELS pixels of a row for one vec4 of channels in registers.
// Traffic per tap: PIXELS + 1 vec4 loads (mostly from cache) for 4 * PIXELS multiply-adds.

import package::variant::PIXELS;
import package::shared::gather::{Gather, source};
import package::shared::strip::{Place, place};
import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::activate::activate;

@group(0) @binding(0) var<uniform> g: Gather;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@if(bias) @group(0) @binding(5) var<storage, read> bias: array<vec4<f32>>;
@if(affine) @group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;
@if(residual) @group(0) @binding(7) var<storage, read> residual: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = place(g, invocation(gid, groups), g.cols4);
    if !at.inside { return; }
    let c4 = at.block;
    var acc: array<vec4<f32>, PIXELS>;
    for (var ky = 0; ky < g.kernel_h; ky++) {
        let iy = source(at.y, g.stride_y, g.offset_y, ky, g.step_y, g.up_y);
        if iy < 0 || iy >= g.in_h { continue; }
        for (var kx = 0; kx < g.kernel_w; kx++) {
            let ix = source(at.x, g.stride_x, g.offset_x, kx, g.step_x, g.up_x);
            if ix == -1000000 { continue; }
            let row = (at.n * u32(g.in_h) + u32(iy)) * u32(g.in_w);
            let weight = w[u32(ky * g.kernel_w + kx) * g.cols4 + c4];
            for (var p = 0u; p < PIXELS; p++) {
                let px = ix + i32(p) * g.stride_x;
                let seen = x[(row + u32(clamp(px, 0, g.in_w - 1))) * g.cols4 + c4];
                acc[p] = select(acc[p], fma(seen, weight, acc[p]), px >= 0 && px < g.in_w);
            }
        }
    }
    for (var p = 0u; p < PIXELS; p++) {
        let ox = at.x + p * u32(g.up_x);
        if ox >= g.out_w { break; }
        let to = ((at.n * g.out_h + at.y) * g.out_w + ox) * g.cols4 + c4;
        var value = acc[p];
        @if(bias) { value += bias[c4]; }
        @if(affine) { value = value * norm[c4] + norm[g.cols4 + c4]; }
        @if(residual) { value += residual[to]; }
        y[to] = clear_padding(activate(value, g.eps), c4, g.out_c);
    }
}

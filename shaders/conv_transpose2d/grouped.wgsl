// Grouped transposed convolution; also the gradient of a grouped convolution by its input.
//
// Tiling: an invocation holds PIXELS pixels of a row x four output channels in registers; the four may
// lie in different groups, so inputs and weights are read one number at a time.
// Traffic per step: 4 * PIXELS + 4 scalar loads for 4 * PIXELS multiply-adds.

import package::variant::{PIXELS, KERNEL_H, KERNEL_W, STRIDE_X, UP_X};
import package::shared::gather::Gather;
import package::shared::strip::{NOWHERE, place, source_x, source_y};
import package::shared::grid::invocation;
import package::shared::epilogue::{epilogue, finish};

@group(0) @binding(0) var<uniform> g: Gather;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let out_c4 = (g.out_c + 3u) / 4u;
    let at = place(g, invocation(gid, groups), out_c4);
    if !at.inside { return; }
    let c4 = at.block;
    // g.rows is the number of output channels a group, g.first_row that of input channels.
    let lane = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4, vec4<u32>(g.out_c - 1u));
    let base = lane / g.rows * g.first_row;
    let weight_row = lane % g.rows;
    let pitch = 4u * g.cols4;
    var acc: array<vec4<f32>, PIXELS>;
    for (var ky = 0u; ky < KERNEL_H; ky++) {
        let iy = source_y(g, at.y, ky);
        if iy < 0 || iy >= g.in_h { continue; }
        for (var kx = 0u; kx < KERNEL_W; kx++) {
            let ix = source_x(g, at.x, kx);
            if ix == NOWHERE { continue; }
            let row = (at.n * u32(g.in_h) + u32(iy)) * u32(g.in_w);
            let tap = (ky * KERNEL_W + kx) * g.rows;
            for (var o = 0u; o < g.first_row; o++) {
                let at_w = (weight_row + tap) * pitch + base + o;
                let weight = vec4<f32>(w[at_w.x], w[at_w.y], w[at_w.z], w[at_w.w]);
                for (var p = 0u; p < PIXELS; p++) {
                    let px = ix + i32(p * STRIDE_X);
                    let at_x = (row + u32(clamp(px, 0, g.in_w - 1))) * pitch + o;
                    let seen = vec4<f32>(x[at_x + base.x], x[at_x + base.y], x[at_x + base.z], x[at_x + base.w]);
                    acc[p] = select(acc[p], fma(seen, weight, acc[p]), px >= 0 && px < g.in_w);
                }
            }
        }
    }
    let e = epilogue(c4, g.out_c);
    for (var p = 0u; p < PIXELS; p++) {
        let ox = at.x + p * UP_X;
        if ox >= g.out_w { break; }
        let to = ((at.n * g.out_h + at.y) * g.out_w + ox) * out_c4 + c4;
        y[to] = finish(acc[p], to, g.slope, e);
    }
}

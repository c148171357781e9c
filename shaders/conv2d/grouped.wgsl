// Grouped convolution: output channels see only the input channels of their group.
//
// Tiling: an invocation holds PIXELS pixels of a row x four output channels in registers; the four may
// lie in different groups, so inputs are read one number at a time.
// Traffic per step: 4 * PIXELS scalar loads and one vec4 for 4 * PIXELS multiply-adds.

import package::variant::{PIXELS, KERNEL_H, KERNEL_W, STRIDE_X, UP_X};
import package::shared::gather::Gather;
import package::shared::strip::{NOWHERE, place, source_x, source_y};
import package::shared::grid::invocation;
import package::shared::epilogue::{epilogue, finish};

@group(0) @binding(0) var<uniform> g: Gather;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = place(g, invocation(gid, groups), g.cols4);
    if !at.inside { return; }
    let c4 = at.block;
    // First input channel of each lane's group; g.rows is the number of input channels a group.
    let lane = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4, vec4<u32>(g.out_c - 1u));
    let base = lane / (g.out_c / g.groups) * g.rows;
    let pitch = 4u * g.in_c4;
    var acc: array<vec4<f32>, PIXELS>;
    for (var ky = 0u; ky < KERNEL_H; ky++) {
        let iy = source_y(g, at.y, ky);
        if iy < 0 || iy >= g.in_h { continue; }
        for (var kx = 0u; kx < KERNEL_W; kx++) {
            let ix = source_x(g, at.x, kx);
            if ix == NOWHERE { continue; }
            let row = (at.n * u32(g.in_h) + u32(iy)) * u32(g.in_w);
            for (var i = 0u; i < g.rows; i++) {
                let weight = w[((ky * KERNEL_W + kx) * g.rows + i) * g.cols4 + c4];
                for (var p = 0u; p < PIXELS; p++) {
                    let px = ix + i32(p * STRIDE_X);
                    let at_x = (row + u32(clamp(px, 0, g.in_w - 1))) * pitch + i;
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
        let to = ((at.n * g.out_h + at.y) * g.out_w + ox) * g.cols4 + c4;
        y[to] = finish(acc[p], to, g.slope, e);
    }
}

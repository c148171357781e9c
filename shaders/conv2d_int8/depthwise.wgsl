// Depthwise convolution of integers of eight bits: every channel by itself. The products are made in f32, whose sums
// over a kernel of up to 1032 taps stay below 2^24 and so are exact. Taps outside see the source's zero.
//
// Tiling: an invocation holds PIXELS pixels of a row for one vec4 of channels in registers.
// Traffic per tap: PIXELS + 1 words (mostly from cache) for 4 * PIXELS multiply-adds.

import package::variant::{PIXELS, KERNEL_H, KERNEL_W, STRIDE_X};
import package::shared::grid::invocation;
import package::shared::int8::unpacked;
import package::shared::int8_conv::{g, place, row_start, source_x, source_y, store};

@group(0) @binding(2) var<storage, read> w: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = place(invocation(gid, groups), g.cols4);
    if !at.inside { return; }
    let c4 = at.block;
    var sums: array<vec4<f32>, PIXELS>;
    for (var ky = 0u; ky < KERNEL_H; ky++) {
        let iy = source_y(at.y, ky);
        let row = row_start(at.n, iy);
        let beside = iy < 0 || iy >= g.in_h;
        for (var kx = 0u; kx < KERNEL_W; kx++) {
            let ix = source_x(at.x, kx);
            let weight = unpacked(w[(ky * KERNEL_W + kx) * g.cols4 + c4]);
            for (var p = 0u; p < PIXELS; p++) {
                let px = ix + i32(p * STRIDE_X);
                let seen = x[(row + u32(clamp(px, 0, g.in_w - 1))) * g.cols4 + c4];
                let word = select(seen, g.zeros, beside || px < 0 || px >= g.in_w);
                sums[p] = fma(unpacked(word), weight, sums[p]);
            }
        }
    }
    store(at, c4, sums);
}

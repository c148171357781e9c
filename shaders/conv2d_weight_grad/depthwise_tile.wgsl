// Gradient of a depthwise convolution of a small kernel without dilation by its weight, first stage: partial
// sums over a share of the tiles.
//
// Tiling: an invocation sums all taps of one vec4 of channels over tiles of LINES rows x RUN pixels and slides
// to the right: the KERNEL_W columns of x that a column of dy meets stay in registers, and only STRIDE new ones
// are loaded for the next.
// Traffic per column: LINES + STRIDE * (STRIDE * (LINES - 1) + KERNEL_H) vec4 loads for 4 * LINES * taps
// multiply-adds.

import package::variant::{RUN, LINES, KERNEL_H, KERNEL_W, STRIDE};
import package::shared::correlation::Correlation;
import package::shared::grid::invocation;

@group(0) @binding(0) var<uniform> p: Correlation;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

const TAPS = KERNEL_H * KERNEL_W;
// Rows of x that are seen, and columns of it that the next column of dy meets again.
const SEEN = STRIDE * (LINES - 1u) + KERNEL_H;
const KEPT = u32(max(i32(KERNEL_W) - i32(STRIDE), 0));

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    let c = i % p.out_c4;
    let share = i / p.out_c4;
    if share >= p.shares { return; }
    let out_w = u32(p.out_w);
    let out_h = u32(p.out_h);
    let strips = (out_w + RUN - 1u) / RUN;
    let blocks = (out_h + LINES - 1u) / LINES;
    var acc: array<vec4<f32>, TAPS>;
    for (var tile = share; tile < u32(p.batch) * blocks * strips; tile += p.shares) {
        let first_x = tile % strips * RUN;
        let first_y = tile / strips % blocks * LINES;
        let n = tile / (strips * blocks);
        // Where the rows of x and dy begin, and whether they are inside.
        var start: array<u32, SEEN>;
        var inside: array<bool, SEEN>;
        for (var s = 0u; s < SEEN; s++) {
            let iy = i32(first_y * STRIDE + s) - p.pad_y;
            inside[s] = iy >= 0 && iy < p.in_h;
            start[s] = (n * u32(p.in_h) + u32(clamp(iy, 0, p.in_h - 1))) * u32(p.in_w) * p.in_c4 + c;
        }
        var line: array<u32, LINES>;
        for (var l = 0u; l < LINES; l++) {
            line[l] = (n * out_h + min(first_y + l, out_h - 1u)) * out_w * p.out_c4 + c;
        }
        var columns: array<array<vec4<f32>, SEEN>, KERNEL_W>;
        for (var k = 0u; k < KEPT; k++) {
            let ix = i32(first_x * STRIDE + k) - p.pad_x;
            let within = ix >= 0 && ix < p.in_w;
            let column = u32(clamp(ix, 0, p.in_w - 1)) * p.in_c4;
            for (var s = 0u; s < SEEN; s++) {
                columns[k][s] = select(vec4<f32>(0.0), x[start[s] + column], within && inside[s]);
            }
        }
        for (var ox = first_x; ox < min(first_x + RUN, out_w); ox++) {
            for (var k = KEPT; k < KERNEL_W; k++) {
                let ix = i32(ox * STRIDE + k) - p.pad_x;
                let within = ix >= 0 && ix < p.in_w;
                let column = u32(clamp(ix, 0, p.in_w - 1)) * p.in_c4;
                for (var s = 0u; s < SEEN; s++) {
                    columns[k][s] = select(vec4<f32>(0.0), x[start[s] + column], within && inside[s]);
                }
            }
            for (var l = 0u; l < LINES; l++) {
                let seen = dy[line[l] + ox * p.out_c4];
                let g = select(vec4<f32>(0.0), seen, first_y + l < out_h);
                for (var ky = 0u; ky < KERNEL_H; ky++) {
                    for (var kx = 0u; kx < KERNEL_W; kx++) {
                        let t = ky * KERNEL_W + kx;
                        acc[t] = fma(columns[kx][l * STRIDE + ky], g, acc[t]);
                    }
                }
            }
            for (var k = 0u; k < KEPT; k++) { columns[k] = columns[k + STRIDE]; }
        }
    }
    for (var t = 0u; t < TAPS; t++) {
        partial[(share * TAPS + t) * p.out_c4 + c] = acc[t];
    }
}

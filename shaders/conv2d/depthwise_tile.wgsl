// Depthwise convolution of small kernels without dilation, and (`flip`) its transpose where the stride is 1:
// every channel by itself.
//
// Tiling: an invocation makes LINES rows of a strip of RUN pixels for one vec4 of channels and slides to the
// right, along memory: the KERNEL_W columns of the input that a column of the output sees stay in registers,
// and only STRIDE new ones are loaded for the next. The weights stay in registers.
// Traffic per column: STRIDE * (STRIDE * (LINES - 1) + KERNEL_H) vec4 loads for 4 * LINES * taps multiply-adds.

import package::variant::{RUN, LINES, KERNEL_H, KERNEL_W, STRIDE};
import package::shared::gather::Gather;
import package::shared::grid::invocation;
import package::shared::epilogue::{epilogue, finish};

@group(0) @binding(0) var<uniform> g: Gather;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;

const TAPS = KERNEL_H * KERNEL_W;
// Rows of the input that are seen, and columns of it that the next column of the output sees again.
const SEEN = STRIDE * (LINES - 1u) + KERNEL_H;
const KEPT = u32(max(i32(KERNEL_W) - i32(STRIDE), 0));

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    var rest = invocation(gid, groups);
    let c4 = rest % g.cols4;
    rest /= g.cols4;
    let strips = (g.out_w + RUN - 1u) / RUN;
    let first_x = rest % strips * RUN;
    rest /= strips;
    let blocks = (g.out_h + LINES - 1u) / LINES;
    let first_y = rest % blocks * LINES;
    let n = rest / blocks;
    if n >= g.batch { return; }

    var weight: array<vec4<f32>, TAPS>;
    for (var t = 0u; t < TAPS; t++) {
        @if(flip) { weight[t] = w[(TAPS - 1u - t) * g.cols4 + c4]; }
        @if(!flip) { weight[t] = w[t * g.cols4 + c4]; }
    }
    var offset = vec2<i32>(g.offset_x, g.offset_y);
    @if(flip) { offset -= vec2<i32>(i32(KERNEL_W) - 1, i32(KERNEL_H) - 1); }
    let top = i32(first_y * STRIDE) + offset.y;
    // Where the rows begin, and whether they are inside; found once for all columns.
    var start: array<u32, SEEN>;
    var inside: array<bool, SEEN>;
    for (var s = 0u; s < SEEN; s++) {
        let iy = top + i32(s);
        inside[s] = iy >= 0 && iy < g.in_h;
        start[s] = (n * u32(g.in_h) + u32(clamp(iy, 0, g.in_h - 1))) * u32(g.in_w) * g.cols4 + c4;
    }
    var columns: array<array<vec4<f32>, SEEN>, KERNEL_W>;
    // What the first column of the strip does not load for itself.
    for (var k = 0u; k < KEPT; k++) {
        let ix = i32(first_x * STRIDE) + offset.x + i32(k);
        let within = ix >= 0 && ix < g.in_w;
        let column = u32(clamp(ix, 0, g.in_w - 1)) * g.cols4;
        for (var s = 0u; s < SEEN; s++) {
            columns[k][s] = select(vec4<f32>(0.0), x[start[s] + column], within && inside[s]);
        }
    }
    let e = epilogue(c4, g.out_c);
    for (var ox = first_x; ox < min(first_x + RUN, g.out_w); ox++) {
        for (var k = KEPT; k < KERNEL_W; k++) {
            let ix = i32(ox * STRIDE) + offset.x + i32(k);
            let within = ix >= 0 && ix < g.in_w;
            let column = u32(clamp(ix, 0, g.in_w - 1)) * g.cols4;
            for (var s = 0u; s < SEEN; s++) {
                columns[k][s] = select(vec4<f32>(0.0), x[start[s] + column], within && inside[s]);
            }
        }
        for (var l = 0u; l < LINES; l++) {
            var value = vec4<f32>(0.0);
            for (var ky = 0u; ky < KERNEL_H; ky++) {
                for (var kx = 0u; kx < KERNEL_W; kx++) {
                    value = fma(columns[kx][l * STRIDE + ky], weight[ky * KERNEL_W + kx], value);
                }
            }
            let oy = first_y + l;
            if oy < g.out_h {
                let to = ((n * g.out_h + oy) * g.out_w + ox) * g.cols4 + c4;
                y[to] = finish(value, to, g.slope, e);
            }
        }
        for (var k = 0u; k < KEPT; k++) { columns[k] = columns[k + STRIDE]; }
    }
}

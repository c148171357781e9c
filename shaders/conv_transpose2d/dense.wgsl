// Transposed convolution, which is also the gradient of a convolution by its input (one source of a
// concatenation at a time: first_row says where its weight rows begin), with bias and activation.
//
// Tiling: an invocation holds PIXELS pixels of a row x COLS vec4 of output channels (rows of the weight)
// in registers and runs over taps and input channels (columns of the weight) four at a time; no workgroup
// memory, and only the taps that hit: pixels of one phase of the stride go together.
// Traffic per step: PIXELS + 4 * COLS vec4 loads for 16 * PIXELS * COLS multiply-adds.

import package::variant::{PIXELS, COLS, KERNEL_H, KERNEL_W, STRIDE_X, UP_X};
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
    let out_c4 = (g.out_c + 3u) / 4u;
    let at = place(g, invocation(gid, groups), (out_c4 + COLS - 1u) / COLS);
    if !at.inside { return; }
    let col = at.block * COLS;
    var acc: array<array<vec4<f32>, COLS>, PIXELS>;
    for (var ky = 0u; ky < KERNEL_H; ky++) {
        let iy = source_y(g, at.y, ky);
        if iy < 0 || iy >= g.in_h { continue; }
        for (var kx = 0u; kx < KERNEL_W; kx++) {
            let ix = source_x(g, at.x, kx);
            if ix == NOWHERE { continue; }
            let row = (at.n * u32(g.in_h) + u32(iy)) * u32(g.in_w);
            let weight = ((ky * KERNEL_W + kx) * g.rows + g.first_row + 4u * col) * g.cols4;
            for (var c = 0u; c < g.in_c4; c++) {
                var v: array<vec4<f32>, PIXELS>;
                for (var p = 0u; p < PIXELS; p++) {
                    let px = ix + i32(p * STRIDE_X);
                    let seen = x[(row + u32(clamp(px, 0, g.in_w - 1))) * g.in_c4 + c];
                    v[p] = select(vec4<f32>(0.0), seen, px >= 0 && px < g.in_w);
                }
                for (var q = 0u; q < COLS; q++) {
                    // The last block may reach past the last row; it then repeats it, unstored.
                    let at_w = weight + 4u * min(q, out_c4 - 1u - col) * g.cols4 + c;
                    // Rows of the weight are output channels: transposed, the product runs over vectors.
                    let m = transpose(mat4x4<f32>(w[at_w], w[at_w + g.cols4], w[at_w + 2u * g.cols4],
                        w[at_w + 3u * g.cols4]));
                    for (var p = 0u; p < PIXELS; p++) {
                        acc[p][q] = fma(vec4<f32>(v[p].x), m[0], fma(vec4<f32>(v[p].y), m[1],
                            fma(vec4<f32>(v[p].z), m[2], fma(vec4<f32>(v[p].w), m[3], acc[p][q]))));
                    }
                }
            }
        }
    }
    for (var q = 0u; q < COLS; q++) {
        let c4 = col + q;
        if c4 >= out_c4 { break; }
        let e = epilogue(c4, g.out_c);
        for (var p = 0u; p < PIXELS; p++) {
            let ox = at.x + p * UP_X;
            if ox >= g.out_w { break; }
            let to = ((at.n * g.out_h + at.y) * g.out_w + ox) * out_c4 + c4;
            y[to] = finish(acc[p][q], to, g.slope, e);
        }
    }
}

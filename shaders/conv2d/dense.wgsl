// Dense convolution as an implicit matrix product, from one or two sources (a concatenation that is never
// made), with bias, batch norm by fixed statistics, residual and activation applied while storing.
//
// Tiling: an invocation holds PIXELS pixels of a row x COLS vec4 of output channels in registers and runs
// over taps and input channels four at a time; no workgroup memory.
// Traffic per step: PIXELS + 4 * COLS vec4 loads for 16 * PIXELS * COLS multiply-adds.

import package::variant::{PIXELS, COLS};
import package::shared::gather::{Gather, source};
import package::shared::strip::{Place, place};
import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::activate::activate;

@group(0) @binding(0) var<uniform> g: Gather;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@if(two) @group(0) @binding(4) var<storage, read> x2: array<vec4<f32>>;
@if(bias) @group(0) @binding(5) var<storage, read> bias: array<vec4<f32>>;
@if(affine) @group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;
@if(residual) @group(0) @binding(7) var<storage, read> residual: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let out_c4 = g.cols4;
    let at = place(g, invocation(gid, groups), (out_c4 + COLS - 1u) / COLS);
    if !at.inside { return; }
    let col = at.block * COLS;
    var acc: array<array<vec4<f32>, COLS>, PIXELS>;
    for (var ky = 0; ky < g.kernel_h; ky++) {
        let iy = source(at.y, g.stride_y, g.offset_y, ky, g.step_y, g.up_y);
        if iy < 0 || iy >= g.in_h { continue; }
        for (var kx = 0; kx < g.kernel_w; kx++) {
            let ix = source(at.x, g.stride_x, g.offset_x, kx, g.step_x, g.up_x);
            if ix == -1000000 { continue; }
            let row = (at.n * u32(g.in_h) + u32(iy)) * u32(g.in_w);
            var weight = u32(ky * g.kernel_w + kx) * g.rows * g.cols4 + col;
            for (var c = 0u; c < g.in_c4; c++) {
                var v: array<vec4<f32>, PIXELS>;
                for (var p = 0u; p < PIXELS; p++) {
                    let px = ix + i32(p) * g.stride_x;
                    let seen = x[(row + u32(clamp(px, 0, g.in_w - 1))) * g.in_c4 + c];
                    v[p] = select(vec4<f32>(0.0), seen, px >= 0 && px < g.in_w);
                }
                for (var q = 0u; q < COLS; q++) {
                    // The last block may reach past the last column; it then repeats it, unstored.
                    let at_w = weight + min(q, out_c4 - 1u - col);
                    let w0 = w[at_w];
                    let w1 = w[at_w + g.cols4];
                    let w2 = w[at_w + 2u * g.cols4];
                    let w3 = w[at_w + 3u * g.cols4];
                    for (var p = 0u; p < PIXELS; p++) {
                        acc[p][q] = fma(vec4<f32>(v[p].x), w0, fma(vec4<f32>(v[p].y), w1,
                            fma(vec4<f32>(v[p].z), w2, fma(vec4<f32>(v[p].w), w3, acc[p][q]))));
                    }
                }
                weight += 4u * g.cols4;
            }
            @if(two) {
                for (var c = 0u; c < g.in2_c4; c++) {
                    var v: array<vec4<f32>, PIXELS>;
                    for (var p = 0u; p < PIXELS; p++) {
                        let px = ix + i32(p) * g.stride_x;
                        let seen = x2[(row + u32(clamp(px, 0, g.in_w - 1))) * g.in2_c4 + c];
                        v[p] = select(vec4<f32>(0.0), seen, px >= 0 && px < g.in_w);
                    }
                    for (var q = 0u; q < COLS; q++) {
                        let at_w = weight + min(q, out_c4 - 1u - col);
                        let w0 = w[at_w];
                        let w1 = w[at_w + g.cols4];
                        let w2 = w[at_w + 2u * g.cols4];
                        let w3 = w[at_w + 3u * g.cols4];
                        for (var p = 0u; p < PIXELS; p++) {
                            acc[p][q] = fma(vec4<f32>(v[p].x), w0, fma(vec4<f32>(v[p].y), w1,
                                fma(vec4<f32>(v[p].z), w2, fma(vec4<f32>(v[p].w), w3, acc[p][q]))));
                        }
                    }
                    weight += 4u * g.cols4;
                }
            }
        }
    }
    for (var p = 0u; p < PIXELS; p++) {
        let ox = at.x + p * u32(g.up_x);
        if ox >= g.out_w { break; }
        let pixel = ((at.n * g.out_h + at.y) * g.out_w + ox) * out_c4;
        for (var q = 0u; q < COLS; q++) {
            let c4 = col + q;
            if c4 >= out_c4 { break; }
            var value = acc[p][q];
            @if(bias) { value += bias[c4]; }
            @if(affine) { value = value * norm[c4] + norm[out_c4 + c4]; }
            @if(residual) { value += residual[pixel + c4]; }
            y[pixel + c4] = clear_padding(activate(value, g.eps), c4, g.out_c);
        }
    }
}

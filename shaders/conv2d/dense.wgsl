// Dense convolution as an implicit matrix product, from one or two sources (a concatenation that is never
// made), with what follows it applied while storing. `batched`: every picture has a weight of its own.
//
// Tiling: an invocation holds PIXELS pixels of a row x COLS vec4 of output channels in registers and runs
// over taps and input channels four at a time; no workgroup memory.
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
@if(two) @group(0) @binding(4) var<storage, read> x2: array<vec4<f32>>;

var<private> acc: array<array<vec4<f32>, COLS>, PIXELS>;
var<private> v: array<vec4<f32>, PIXELS>;

// Adds the products of four input channels; `at` is the first of their rows of the weight, column 0, and
// columns past `last` repeat it, unstored.
fn multiply(at: u32, last: u32) {
    for (var q = 0u; q < COLS; q++) {
        let at_w = at + min(q, last);
        let w0 = w[at_w];
        let w1 = w[at_w + g.cols4];
        let w2 = w[at_w + 2u * g.cols4];
        let w3 = w[at_w + 3u * g.cols4];
        for (var p = 0u; p < PIXELS; p++) {
            acc[p][q] = fma(vec4<f32>(v[p].x), w0, fma(vec4<f32>(v[p].y), w1,
                fma(vec4<f32>(v[p].z), w2, fma(vec4<f32>(v[p].w), w3, acc[p][q]))));
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let out_c4 = g.cols4;
    let at = place(g, invocation(gid, groups), (out_c4 + COLS - 1u) / COLS);
    if !at.inside { return; }
    let col = at.block * COLS;
    let last = out_c4 - 1u - col;
    for (var ky = 0u; ky < KERNEL_H; ky++) {
        let iy = source_y(g, at.y, ky);
        if iy < 0 || iy >= g.in_h { continue; }
        let row = (at.n * u32(g.in_h) + u32(iy)) * u32(g.in_w);
        for (var kx = 0u; kx < KERNEL_W; kx++) {
            let ix = source_x(g, at.x, kx);
            if ix == NOWHERE { continue; }
            var weight = (ky * KERNEL_W + kx) * g.rows * g.cols4 + col;
            @if(batched) { weight += at.n * g.rows * g.cols4; }
            for (var c = 0u; c < g.in_c4; c++) {
                for (var p = 0u; p < PIXELS; p++) {
                    let px = ix + i32(p * STRIDE_X);
                    let seen = x[(row + u32(clamp(px, 0, g.in_w - 1))) * g.in_c4 + c];
                    v[p] = select(vec4<f32>(0.0), seen, px >= 0 && px < g.in_w);
                }
                multiply(weight, last);
                weight += 4u * g.cols4;
            }
            @if(two) {
                for (var c = 0u; c < g.in2_c4; c++) {
                    for (var p = 0u; p < PIXELS; p++) {
                        let px = ix + i32(p * STRIDE_X);
                        let seen = x2[(row + u32(clamp(px, 0, g.in_w - 1))) * g.in2_c4 + c];
                        v[p] = select(vec4<f32>(0.0), seen, px >= 0 && px < g.in_w);
                    }
                    multiply(weight, last);
                    weight += 4u * g.cols4;
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

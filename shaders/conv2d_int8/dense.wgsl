// Dense convolution of integers of eight bits, from one or two sources (a concatenation that is never made), with
// exact sums in 32 bits; scale, shift, and what follows are applied while storing. Taps outside see the source's zero.
//
// Tiling: an invocation holds PIXELS pixels of a row x COLS vec4 of output channels in registers and runs over taps and
// input channels four at a time; no workgroup memory. Two ways to the products of four channels: as they are packed, by
// dot4I8Packed, which devices have as an instruction; or unpacked to f32, whose sums over one tap stay below 2^24 and
// so are exact, where that instruction would be made of shifts.
// Traffic per step: PIXELS words + COLS vec4 for 16 * PIXELS * COLS multiply-adds, a quarter of that in f32.

import package::variant::{PIXELS, COLS, KERNEL_H, KERNEL_W, STRIDE_X};
import package::shared::grid::invocation;
import package::shared::int8::unpacked;
import package::shared::int8_conv::{g, place, row_start, source_x, source_y, store};

@group(0) @binding(2) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> x: array<u32>;
@if(two) @group(0) @binding(4) var<storage, read> x2: array<u32>;

var<private> acc: array<array<vec4<i32>, COLS>, PIXELS>;
// Four input channels of each pixel.
@if(!unpacked) var<private> v: array<u32, PIXELS>;
@if(unpacked) var<private> v: array<vec4<f32>, PIXELS>;
@if(unpacked) var<private> part: array<array<vec4<f32>, COLS>, PIXELS>;

// The four channels of a word as products want them.
@if(!unpacked) fn taken(word: u32) -> u32 { return word; }
@if(unpacked) fn taken(word: u32) -> vec4<f32> { return unpacked(word); }

// Adds the products of four input channels; `at` is their row of the weight, column 0, and columns past `last` repeat
// it, unstored.
@if(!unpacked)
fn multiply(at: u32, last: u32) {
    for (var q = 0u; q < COLS; q++) {
        let words = w[at + min(q, last)];
        for (var p = 0u; p < PIXELS; p++) {
            acc[p][q] += vec4<i32>(dot4I8Packed(v[p], words.x), dot4I8Packed(v[p], words.y),
                dot4I8Packed(v[p], words.z), dot4I8Packed(v[p], words.w));
        }
    }
}

@if(unpacked)
fn multiply(at: u32, last: u32) {
    for (var q = 0u; q < COLS; q++) {
        let words = w[at + min(q, last)];
        let a = unpacked(words.x);
        let b = unpacked(words.y);
        let c = unpacked(words.z);
        let d = unpacked(words.w);
        for (var p = 0u; p < PIXELS; p++) {
            let seen = v[p];
            part[p][q] = fma(vec4<f32>(seen.x), vec4<f32>(a.x, b.x, c.x, d.x),
                fma(vec4<f32>(seen.y), vec4<f32>(a.y, b.y, c.y, d.y),
                fma(vec4<f32>(seen.z), vec4<f32>(a.z, b.z, c.z, d.z),
                fma(vec4<f32>(seen.w), vec4<f32>(a.w, b.w, c.w, d.w), part[p][q]))));
        }
    }
}

// Moves the exact sums of one tap to the integers.
fn gather() {
    @if(unpacked) {
        for (var p = 0u; p < PIXELS; p++) {
            for (var q = 0u; q < COLS; q++) {
                acc[p][q] += vec4<i32>(part[p][q]);
                part[p][q] = vec4<f32>(0.0);
            }
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = place(invocation(gid, groups), (g.cols4 + COLS - 1u) / COLS);
    if !at.inside { return; }
    let col = at.block * COLS;
    let last = g.cols4 - 1u - col;
    var weight = col;
    for (var ky = 0u; ky < KERNEL_H; ky++) {
        let iy = source_y(at.y, ky);
        let row = row_start(at.n, iy);
        let beside = iy < 0 || iy >= g.in_h;
        for (var kx = 0u; kx < KERNEL_W; kx++) {
            let ix = source_x(at.x, kx);
            for (var c = 0u; c < g.in_c4; c++) {
                for (var p = 0u; p < PIXELS; p++) {
                    let px = ix + i32(p * STRIDE_X);
                    let seen = x[(row + u32(clamp(px, 0, g.in_w - 1))) * g.in_c4 + c];
                    v[p] = taken(select(seen, g.zeros, beside || px < 0 || px >= g.in_w));
                }
                multiply(weight, last);
                weight += g.cols4;
            }
            gather();
            @if(two) {
                for (var c = 0u; c < g.in2_c4; c++) {
                    for (var p = 0u; p < PIXELS; p++) {
                        let px = ix + i32(p * STRIDE_X);
                        let seen = x2[(row + u32(clamp(px, 0, g.in_w - 1))) * g.in2_c4 + c];
                        v[p] = taken(select(seen, g.zeros2, beside || px < 0 || px >= g.in_w));
                    }
                    multiply(weight, last);
                    weight += g.cols4;
                }
                gather();
            }
        }
    }
    for (var q = 0u; q < COLS; q++) {
        if q > last { break; }
        var sums: array<vec4<f32>, PIXELS>;
        for (var p = 0u; p < PIXELS; p++) {
            sums[p] = vec4<f32>(acc[p][q]);
        }
        store(at, col + q, sums);
    }
}

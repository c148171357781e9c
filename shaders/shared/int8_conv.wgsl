// What the convolutions in integers share: their parameters, where an invocation works, and how a sum is stored.

import package::variant::{PIXELS, STRIDE_Y, STRIDE_X};
import package::shared::epilogue::{epilogue, finish};
import package::shared::int8::packed;

struct Int8Conv {
    batch: u32, out_h: u32, out_w: u32, out_c: u32,
    in_h: i32, in_w: i32, in_c4: u32, in2_c4: u32,
    pad_y: i32, pad_x: i32, step_y: i32, step_x: i32,
    cols4: u32, slope: f32,
    // What stands for zero in each source, four times in a word.
    zeros: u32, zeros2: u32,
    // How the result is stored where it is in integers, too.
    inverse: f32, zero: f32,
}

@group(0) @binding(0) var<uniform> g: Int8Conv;
@if(requantize) @group(0) @binding(1) var<storage, read_write> y: array<u32>;
@if(!requantize) @group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
// From sums of integers to real numbers, by output channel.
@group(0) @binding(8) var<storage, read> scale: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read> shift: array<vec4<f32>>;

// Where an invocation works: image, row, first column, block of output channels; `inside` is false past the end of
// the grid.
struct Place { n: u32, y: u32, x: u32, block: u32, inside: bool }

fn place(index: u32, blocks: u32) -> Place {
    let strips = (g.out_w + PIXELS - 1u) / PIXELS;
    let strip = index / blocks;
    let row = strip / strips;
    let n = row / g.out_h;
    return Place(n, row % g.out_h, strip % strips * PIXELS, index % blocks, n < g.batch);
}

// Row and column of the input that an output sees through a tap; perhaps outside.
fn source_y(oy: u32, ky: u32) -> i32 {
    return i32(oy * STRIDE_Y) - g.pad_y + i32(ky) * g.step_y;
}

fn source_x(ox: u32, kx: u32) -> i32 {
    return i32(ox * STRIDE_X) - g.pad_x + i32(kx) * g.step_x;
}

// First pixel of an input row, the nearest one for rows outside.
fn row_start(n: u32, iy: i32) -> u32 {
    return (n * u32(g.in_h) + u32(clamp(iy, 0, g.in_h - 1))) * u32(g.in_w);
}

// Stores the sums of a strip's pixels, for one block of channels.
fn store(at: Place, c4: u32, sums: array<vec4<f32>, PIXELS>) {
    let e = epilogue(c4, g.out_c);
    let by = scale[c4];
    let plus = shift[c4];
    for (var p = 0u; p < PIXELS; p++) {
        let ox = at.x + p;
        if ox >= g.out_w { break; }
        let to = ((at.n * g.out_h + at.y) * g.out_w + ox) * g.cols4 + c4;
        let value = finish(fma(sums[p], by, plus), to, g.slope, e);
        @if(requantize) { y[to] = packed(value, g.inverse, g.zero, e.present); }
        @if(!requantize) { y[to] = value; }
    }
}

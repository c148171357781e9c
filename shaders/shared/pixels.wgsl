// What a convolution's workgroup sees where it makes a tile of pixels: how pixels are numbered, and its inputs.

import package::variant::{KERNEL_W, STRIDE_Y, STRIDE_X, UP_Y, UP_X};
import package::shared::gather::Gather;

@group(0) @binding(0) var<uniform> g: Gather;
@group(0) @binding(3) var<storage, read> x: array<vec4<f32>>;
@if(two) @group(0) @binding(4) var<storage, read> x2: array<vec4<f32>>;

// Tiles are cut from one picture where weights differ, and else from one phase of all pictures.
struct Grid { w: u32, count: u32, parts: u32 }

fn grid() -> Grid {
    let w = (g.out_w + UP_X - 1u) / UP_X;
    let picture = (g.out_h + UP_Y - 1u) / UP_Y * w;
    @if(batched) { return Grid(w, picture, g.batch); }
    return Grid(w, picture * g.batch, UP_Y * UP_X);
}

// Picture, row and column of a pixel of the grid; x in units of the phase's steps.
struct Pixel { n: u32, y: u32, x: u32 }

fn pixel(index: u32, part: u32, w: u32) -> Pixel {
    let line = index / w;
    let x = index - line * w;
    @if(batched) { return Pixel(part, line, x); }
    let h = (g.out_h + UP_Y - 1u) / UP_Y;
    let n = line / h;
    return Pixel(n, line - n * h, x);
}

// Column, row and picture of the input that a pixel sees first, far outside past the end of the grid.
fn origin(index: u32, part: u32, w: u32, count: u32) -> vec3<i32> {
    let at = pixel(index, part, w);
    let top = select(-1000000, i32(at.y * STRIDE_Y), index < count);
    return vec3<i32>(i32(at.x * STRIDE_X), top, i32(at.n));
}

// How far a tap looks from there, in inputs by `up`: a remainder means that it hits none.
fn tap_shift(tap: u32, phase: vec2<u32>) -> vec2<i32> {
    return vec2<i32>(phase) + vec2<i32>(g.offset_x, g.offset_y)
        + vec2<i32>(i32(tap % KERNEL_W) * g.step_x, i32(tap / KERNEL_W) * g.step_y);
}

// Block `c` of the channels of all sources.
fn input(place: vec3<i32>, shift: vec2<i32>, c: u32) -> vec4<f32> {
    let ix = place.x + shift.x;
    let iy = place.y + shift.y;
    if ix < 0 || ix >= g.in_w || iy < 0 || iy >= g.in_h { return vec4<f32>(0.0); }
    let at = u32((place.z * g.in_h + iy) * g.in_w + ix);
    if c < g.in_c4 { return x[at * g.in_c4 + c]; }
    @if(two) { if c < g.in_c4 + g.in2_c4 { return x2[at * g.in2_c4 + c - g.in_c4]; } }
    return vec4<f32>(0.0);
}

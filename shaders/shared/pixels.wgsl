// How a convolution's pixels are numbered where a workgroup makes a tile of them.

import package::variant::{UP_Y, UP_X};
import package::shared::gather::Gather;

// Tiles are cut from one picture where weights differ, and else from one phase of all pictures.
struct Grid { w: u32, count: u32, parts: u32 }

fn grid(g: Gather) -> Grid {
    let w = (g.out_w + UP_X - 1u) / UP_X;
    let picture = (g.out_h + UP_Y - 1u) / UP_Y * w;
    @if(batched) { return Grid(w, picture, g.batch); }
    return Grid(w, picture * g.batch, UP_Y * UP_X);
}

// Picture, row and column of a pixel of the grid; x in units of the phase's steps.
struct Pixel { n: u32, y: u32, x: u32 }

fn pixel(g: Gather, index: u32, part: u32, w: u32) -> Pixel {
    let line = index / w;
    let x = index - line * w;
    @if(batched) { return Pixel(part, line, x); }
    let h = (g.out_h + UP_Y - 1u) / UP_Y;
    let n = line / h;
    return Pixel(n, line - n * h, x);
}

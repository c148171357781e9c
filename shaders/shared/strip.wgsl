// Strips of a row: one invocation makes PIXELS outputs of one row whose x differ by UP_X, so that the taps that
// hit are the same for all of them and no work is wasted on the zeros that a transposed convolution inserts.

import package::variant::{PIXELS, STRIDE_Y, STRIDE_X, UP_Y, UP_X};
import package::shared::gather::Gather;

// Where an invocation works: image, row, first column, block of output channels; `inside` is false past
// the end of the grid.
struct Place {
    n: u32, y: u32, x: u32, block: u32, inside: bool,
}

fn place(g: Gather, index: u32, blocks: u32) -> Place {
    let strips = ((g.out_w + UP_X - 1u) / UP_X + PIXELS - 1u) / PIXELS;
    var rest = index;
    let block = rest % blocks;
    rest /= blocks;
    let strip = rest % strips;
    rest /= strips;
    let phase = rest % UP_X;
    rest /= UP_X;
    let y = rest % g.out_h;
    let n = rest / g.out_h;
    return Place(n, y, strip * PIXELS * UP_X + phase, block, n < g.batch);
}

// What positions that fall between inputs read as: far outside on both sides of zero.
const NOWHERE = -1000000;

// Row of the input that output row `o` sees through the taps of row `k`.
fn source_y(g: Gather, o: u32, k: u32) -> i32 {
    let t = i32(o * STRIDE_Y) + g.offset_y + i32(k) * g.step_y;
    return select(NOWHERE, t / i32(UP_Y), t % i32(UP_Y) == 0);
}

// Column of the input that output column `o` sees through the taps of column `k`.
fn source_x(g: Gather, o: u32, k: u32) -> i32 {
    let t = i32(o * STRIDE_X) + g.offset_x + i32(k) * g.step_x;
    return select(NOWHERE, t / i32(UP_X), t % i32(UP_X) == 0);
}

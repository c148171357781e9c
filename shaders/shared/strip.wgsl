// Strips of a row: one invocation makes PIXELS outputs of one row whose x differ by `up`, so that the taps that
// hit are the same for all of them and no work is wasted on the zeros that a transposed convolution inserts.

import package::variant::PIXELS;
import package::shared::gather::Gather;

// Where an invocation works: image, row, first column, block of output channels; `inside` is false past
// the end of the grid.
struct Place {
    n: u32, y: u32, x: u32, block: u32, inside: bool,
}

fn place(g: Gather, index: u32, blocks: u32) -> Place {
    let up = u32(g.up_x);
    let strips = ((g.out_w + up - 1u) / up + PIXELS - 1u) / PIXELS;
    var rest = index;
    let block = rest % blocks;
    rest /= blocks;
    let strip = rest % strips;
    rest /= strips;
    let phase = rest % up;
    rest /= up;
    let y = rest % g.out_h;
    let n = rest / g.out_h;
    return Place(n, y, strip * PIXELS * up + phase, block, n < g.batch);
}

//! A 3 x 3 convolution by Winograd's minimal filtering (Lavin and Gray 2016, section 4.1): tiles of m x m outputs
//! from (m + 2) x (m + 2) products a channel instead of 9 m^2.

use super::{Epilogue, Gather, Geometry, Product, Tensors};
use crate::{
    gpu::{Variant, Word},
    graph::{Access, Lowering, Shape, Var},
};

/// Bytes that turned inputs and products of one round may take together: more rounds cost dispatches, larger
/// ones fall out of the caches, which are a processor's or a GPU's.
const fn round_bytes(software: bool) -> usize {
    if software { 2 << 20 } else { 32 << 20 }
}

/// The (m + 2)^2 products over `tiles` tiles, as a 1 x 1 convolution of as many pictures, each with a weight of its own.
pub(super) fn product(g: &Gather, made: usize, tiles: usize) -> Gather {
    let (count, channels) = ((made + 2) * (made + 2), 4 * (g.input.c4() + g.second_c4));
    Gather {
        out: Shape::new(count, 1, tiles, 4 * g.out.c4()),
        input: Shape::new(count, 1, tiles, channels),
        second_c4: 0,
        geometry: Geometry::square(1, 1, 0),
        adjoint: false,
        batched: true,
        rows: channels,
        first_row: 0,
        cols4: g.out.c4(),
        slope: 0.0,
    }
}

/// The turned weights.
pub(super) fn weight(g: &Gather, made: usize) -> Shape {
    let whole = product(g, made, 1);
    Shape { w: whole.rows, ..whole.out }
}

/// Tiles that are made together.
#[derive(Clone, Copy)]
struct Round {
    first: usize,
    count: usize,
    /// Tiles of a picture.
    down: usize,
    across: usize,
}

impl Round {
    fn params(&self) -> Vec<(&'static str, Word)> {
        let Self { first, count, down, across } = *self;
        [("first", first), ("count", count), ("down", down), ("across", across)]
            .map(|(name, value)| (name, value.into()))
            .into()
    }
}

/// Adds the dispatches that make m = `made`.
pub(super) fn lower(l: &mut Lowering<'_>, g: &Gather, tensors: &Tensors, made: usize, inner: Product) {
    let [down, across] = [g.out.h, g.out.w].map(|size| size.div_ceil(made));
    let tiles = g.out.n * down * across;
    let whole = product(g, made, tiles);
    let (software, limit) = l.at_site(|site| (site.device.software, site.device.tensor_bytes as usize));
    let bytes = (whole.input.bytes() + whole.out.bytes()) as usize;
    // Huge pictures get larger rounds rather than thousands.
    let round = round_bytes(software).max(bytes / 64).min(limit);
    // Whole strips of the product's widest form.
    let most = tiles.div_ceil(bytes.div_ceil(round)).next_multiple_of(8).min(tiles);

    let weight = l.scratch("turned weights", weight(g, made));
    let turned = l.scratch("turned inputs", Shape { w: most, ..whole.input });
    let products = l.scratch("products", Shape { w: most, ..whole.out });
    turn_weights(l, g, made, tensors.weight, weight);
    for first in (0..tiles).step_by(most) {
        let round = Round { first, count: most.min(tiles - first), down, across };
        let sources = tensors.sources.iter().zip([(0, g.input.c4()), (g.input.c4(), g.second_c4)]);
        for (source, channels) in sources {
            turn_inputs(l, g, made, &round, (*source, channels), turned);
        }
        let factors = Tensors { out: products, weight, sources: vec![turned], epilogue: Epilogue::default() };
        product(g, made, round.count).dispatch(l, &factors, inner);
        turn_back(l, g, made, &round, products, tensors);
    }
}

fn sized(file: &'static str, made: usize) -> Variant {
    Variant::new(file).feature("four", made == 4)
}

fn turn_weights(l: &mut Lowering<'_>, g: &Gather, made: usize, from: Var, to: Var) {
    let rows = 4 * (g.input.c4() + g.second_c4);
    let params = vec![
        ("rows", rows.into()),
        ("cols4", g.out.c4().into()),
        ("from_rows", g.rows.into()),
        ("from_cols4", g.cols4.into()),
        ("first_row", g.first_row.into()),
    ];
    let variant = sized("conv2d/winograd_weight", made).feature("adjoint", g.adjoint);
    l.dispatch(variant, params, vec![Access::Write(to), Access::Read(from)], rows * g.out.c4());
}

/// Turns one source; `c4` of its channels go to `first_c4` of the turned ones.
fn turn_inputs(
    l: &mut Lowering<'_>,
    g: &Gather,
    made: usize,
    round: &Round,
    (from, (first_c4, c4)): (Var, (usize, usize)),
    to: Var,
) {
    // The adjoint of padding by p pads by 2 - p.
    let pad = |p: usize| Word::I(if g.adjoint { 2 - p as i32 } else { p as i32 });
    let mut params = round.params();
    params.extend([
        ("in_h", Word::I(g.input.h as i32)),
        ("in_w", Word::I(g.input.w as i32)),
        ("pad_y", pad(g.geometry.pads[0])),
        ("pad_x", pad(g.geometry.pads[1])),
        ("in_c4", c4.into()),
        ("first_c4", first_c4.into()),
        ("total_c4", (g.input.c4() + g.second_c4).into()),
    ]);
    let buffers = vec![Access::Write(to), Access::Read(from)];
    l.dispatch(sized("conv2d/winograd_input", made), params, buffers, round.count * c4);
}

fn turn_back(l: &mut Lowering<'_>, g: &Gather, made: usize, round: &Round, from: Var, tensors: &Tensors) {
    let mut params = round.params();
    params.extend([
        ("out_h", g.out.h.into()),
        ("out_w", g.out.w.into()),
        ("out_c", g.out.c.into()),
        ("slope", g.slope.into()),
    ]);
    let mut buffers = vec![Access::Write(tensors.out), Access::Read(from)];
    buffers.extend(&tensors.epilogue.buffers);
    let variant = tensors.epilogue.on(sized("conv2d/winograd_output", made));
    l.dispatch(variant, params, buffers, round.count * g.out.c4());
}

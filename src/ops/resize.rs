//! Pictures at another size.

use std::sync::Arc;

use super::ResizeGrad;
use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Node, Operator, Shape, Var},
};

/// How pixels in between are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// PyTorch's `nearest`: pixel `floor(o * in / out)`, in whole numbers.
    Nearest,
    /// Bilinear without antialiasing.
    Bilinear {
        /// The centres of the corner pixels keep their place, else the corners of the picture do.
        align_corners: bool,
    },
}

/// `y = x` at `to` rows and columns, as PyTorch's `interpolate` with a given size; input x `[N, H, W, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize {
    /// Height and width of y.
    pub to: [usize; 2],
    /// How pixels in between are made.
    pub filter: Filter,
}

/// Largest product of an input and an output size: positions are compared in 32-bit whole numbers.
const LARGEST: usize = 1 << 28;

/// Pixels of a row that one invocation makes.
const RUN: usize = 8;

impl Resize {
    /// Nearest pixel, `to` rows and columns.
    pub const fn nearest(to: [usize; 2]) -> Self {
        Self { to, filter: Filter::Nearest }
    }

    /// Bilinear, `to` rows and columns.
    pub const fn bilinear(to: [usize; 2], align_corners: bool) -> Self {
        Self { to, filter: Filter::Bilinear { align_corners } }
    }

    /// Shape of the output.
    pub(super) fn output(&self, x: Shape) -> Result<Shape> {
        let [h, w] = self.to;
        let fits = |from: usize, to: usize| from > 0 && to > 0 && from.saturating_mul(to) <= LARGEST;
        if !fits(x.h, h) || !fits(x.w, w) {
            return Err(Error::shape("resize", format!("cannot make {x} {h} rows and {w} columns large")));
        }
        Ok(Shape { h, w, ..x })
    }

    /// Output position o lies at `(o * mul + add) / den` of the input.
    fn scale(&self, from: usize, to: usize) -> [i64; 3] {
        let (from, to) = (from as i64, to as i64);
        match self.filter {
            Filter::Nearest => [from, 0, to],
            Filter::Bilinear { align_corners: true } => [from - 1, 0, (to - 1).max(1)],
            Filter::Bilinear { align_corners: false } => [2 * from, from - to, 2 * to],
        }
    }

    /// Invocations for a run of pixels of each row of `made`.
    pub(super) fn threads(made: Shape) -> usize {
        made.n * made.h * made.w.div_ceil(RUN) * made.c4()
    }

    /// Members of the shader struct `Scale` for `size` invocations.
    pub(super) fn params(&self, size: usize, x: Shape, y: Shape) -> Vec<(&'static str, Word)> {
        let int = |v: usize| Word::I(v as i32);
        let [row, col] = [self.scale(x.h, y.h), self.scale(x.w, y.w)].map(|s| s.map(|v| Word::I(v as i32)));
        vec![
            ("size", size.into()),
            ("c4", x.c4().into()),
            ("in_h", int(x.h)),
            ("in_w", int(x.w)),
            ("out_h", int(y.h)),
            ("out_w", int(y.w)),
            ("mul_y", row[0]),
            ("add_y", row[1]),
            ("den_y", row[2]),
            ("mul_x", col[0]),
            ("add_x", col[1]),
            ("den_x", col[2]),
        ]
    }

    /// The feature of the shaders.
    pub(super) fn variant(&self, file: &'static str) -> Variant {
        Variant::new(file).feature("bilinear", self.filter != Filter::Nearest).constant("RUN", RUN as u32)
    }

    /// The input positions that output position `o` sees along one axis, with their weights.
    fn seen(&self, o: usize, from: usize, to: usize) -> [(usize, f64); 2] {
        let [mul, add, den] = self.scale(from, to);
        let t = (o as i64 * mul + add).max(0);
        let at = (t / den) as usize;
        if self.filter == Filter::Nearest {
            return [(at, 1.0), (at, 0.0)];
        }
        let share = (t % den) as f64 / den as f64;
        [(at, 1.0 - share), ((at + 1).min(from - 1), share)]
    }

    /// All (iy, ix, weight) that output (oy, ox) sees of `x`.
    pub(super) fn taps(&self, x: Shape, oy: usize, ox: usize) -> Vec<(usize, usize, f64)> {
        let cols = self.seen(ox, x.w, self.to[1]);
        let rows = self.seen(oy, x.h, self.to[0]).into_iter();
        rows.flat_map(|(iy, down)| cols.map(|(ix, across)| (iy, ix, down * across))).collect()
    }
}

impl Operator for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.output(inputs[0]).map(|y| vec![y])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        // A mix for each number along its row, two for each column of the input that the row comes to.
        let (x, y) = (inputs[0], outputs[0]);
        let bilinear = y.n * y.h * y.c * (3 * y.w + 6 * x.w.min(y.w));
        let flops = if self.filter == Filter::Nearest { 0 } else { bilinear as u64 };
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let op = ResizeGrad { resize: *self, input: b.shape(0) };
        let dx = b.graph.apply(op, &[dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (l.input_shape(0), l.output_shape(0));
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        let threads = Self::threads(y);
        l.dispatch(self.variant("resize"), self.params(threads, x, y), buffers, threads);
        Ok(())
    }

    fn again(&self, node: &Node) -> Option<(Arc<dyn Operator>, Vec<Var>)> {
        Some((Arc::new(*self), node.inputs.clone()))
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let [h, w] = self.to;
        vec![Array::from_fn(Shape { h, w, ..x.shape }, |n, oy, ox, c| {
            self.taps(x.shape, oy, ox).into_iter().map(|(iy, ix, share)| share * x.at(n, iy, ix, c)).sum()
        })]
    }
}

//! Product of two matrices.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape, Var},
};

/// `y = op(a) op(b)`, where op transposes or does nothing.
///
/// A tensor is a matrix with a row a pixel and a column a channel: inputs a `[1, 1, M, K]` and b
/// `[1, 1, K, N]`, or `[1, 1, K, M]` and `[1, 1, N, K]` where transposed; any other picture size of as many
/// pixels will do. The rows of y are laid out like those of a unless a is transposed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatMul {
    /// Uses the transpose of a.
    pub transpose_a: bool,
    /// Uses the transpose of b.
    pub transpose_b: bool,
    /// Picture size of y; all of its pixels are rows.
    like: Option<Shape>,
    into: bool,
}

/// Rows, shared length and columns of a product.
struct Sizes {
    rows: usize,
    inner: usize,
    cols: usize,
}

impl MatMul {
    /// With the transposes given.
    pub const fn new(transpose_a: bool, transpose_b: bool) -> Self {
        Self { transpose_a, transpose_b, like: None, into: false }
    }

    /// Leaves the product of `left` and `right`, the gradient of input `slot`, in its accumulator if it has
    /// one, else as a plain tensor.
    pub(super) fn give(self, b: &mut Backward<'_>, slot: usize, left: Var, right: Var) -> Result<()> {
        if let Some(sum) = b.accumulator(slot) {
            return b.graph.apply_all(Self { into: true, ..self }, &[left, right, sum]).map(|_| ());
        }
        let like = Some(b.shape(slot));
        let gradient = b.graph.apply(Self { like, ..self }, &[left, right])?;
        b.give(slot, gradient);
        Ok(())
    }

    fn sizes(&self, a: Shape, b: Shape) -> Option<Sizes> {
        let turned = |s: Shape, turn: bool| if turn { (s.c, s.pixels()) } else { (s.pixels(), s.c) };
        let ((rows, inner), (same, cols)) = (turned(a, self.transpose_a), turned(b, self.transpose_b));
        (inner == same && rows * inner * cols > 0).then_some(Sizes { rows, inner, cols })
    }
}

impl Operator for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let (a, b) = (inputs[0], inputs[1]);
        let fail = |m: &str| Err(Error::shape("matmul", format!("{m}: {inputs:?} with {self:?}")));
        let Some(Sizes { rows, cols, .. }) = self.sizes(a, b) else {
            return fail("the factors do not share an axis");
        };
        let plain = if self.transpose_a { Shape::new(1, 1, rows, cols) } else { a.with_c(cols) };
        let y = self.like.map_or(plain, |s| s.with_c(cols));
        let same = |s: &Shape| (s.pixels(), s.c) == (rows, cols);
        if !same(&y) || (self.into && !inputs.get(2).is_some_and(same)) {
            return fail("the result has another shape");
        }
        Ok(if self.into { Vec::new() } else { vec![y] })
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let flops = self.sizes(inputs[0], inputs[1]).map_or(0, |s| 2 * s.rows * s.inner * s.cols);
        Cost { flops: flops as u64, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.into) else {
            return Err(Error::shape("matmul", "a sum into an accumulator has no gradient"));
        };
        let (left, right) = (b.input(0), b.input(1));
        // With A = op(a), B = op(b): dA = dy B^T and dB = A^T dy, each transposed again where its factor is.
        if b.wants(0) {
            if self.transpose_a {
                Self::new(self.transpose_b, true).give(b, 0, right, dy)?;
            } else {
                Self::new(false, !self.transpose_b).give(b, 0, dy, right)?;
            }
        }
        if b.wants(1) {
            if self.transpose_b {
                Self::new(true, self.transpose_a).give(b, 1, dy, left)?;
            } else {
                Self::new(!self.transpose_a, false).give(b, 1, left, dy)?;
            }
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (a, b) = (l.input_shape(0), l.input_shape(1));
        let Some(Sizes { rows, inner, cols }) = self.sizes(a, b) else {
            return Err(Error::shape("matmul", format!("{a} and {b} do not fit together")));
        };
        let y_pitch = cols.div_ceil(4);
        let block = y_pitch.min(2);
        let variant = Variant::new("matmul")
            .feature("transpose_a", self.transpose_a)
            .feature("transpose_b", self.transpose_b)
            .feature("into", self.into)
            .constant("COLS", block as u32);
        let params = vec![
            ("rows", rows.into()),
            ("cols", cols.into()),
            ("inner", inner.into()),
            ("a_pitch", a.c4().into()),
            ("b_pitch", b.c4().into()),
            ("y_pitch", y_pitch.into()),
        ];
        let out = if self.into { l.input(2) } else { l.output(0) };
        let buffers = vec![Access::Write(out), Access::Read(l.input(0)), Access::Read(l.input(1))];
        l.dispatch(variant, params, buffers, rows.div_ceil(4) * y_pitch.div_ceil(block));
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let plain = Self { into: false, ..self.clone() };
        let Some(Sizes { inner, cols, .. }) = self.sizes(a.shape, b.shape) else { return Vec::new() };
        let Ok(shapes) = plain.shapes(&[a.shape, b.shape]) else { return Vec::new() };
        let at = |m: &Array, turn: bool, row: usize, col: usize| {
            let (row, col) = if turn { (col, row) } else { (row, col) };
            m.data[row * m.shape.c + col]
        };
        let mut y = if self.into { inputs[2].clone() } else { Array::zeros(shapes[0]) };
        for (i, v) in y.data.iter_mut().enumerate() {
            let (row, col) = (i / cols, i % cols);
            *v += (0..inner)
                .map(|k| at(a, self.transpose_a, row, k) * at(b, self.transpose_b, k, col))
                .sum::<f64>();
        }
        vec![y]
    }

    fn updates(&self) -> Vec<usize> {
        if self.into { vec![2] } else { Vec::new() }
    }
}

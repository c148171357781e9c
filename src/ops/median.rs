//! Median filter.

use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// The median of the 3x3 or 5x5 pixels around each, channel by channel; pixels beyond the border are those at it. Inputs:
/// x `[N, H, W, C]` and, where `each`, a number for each picture `[N, 1, 1, 1]`, of which 0 leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Median {
    /// Pixels along a side of what is looked at: 3 or 5.
    pub size: usize,
    /// Whether a second input says which pictures are filtered.
    pub each: bool,
}

impl Operator for Median {
    fn name(&self) -> &'static str {
        "median"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if !matches!(self.size, 3 | 5) {
            return Err(Error::shape("median", format!("the size must be 3 or 5, not {}", self.size)));
        }
        match inputs {
            [x] if !self.each => Ok(vec![*x]),
            [x, which] if self.each && *which == Shape::new(x.n, 1, 1, 1) => Ok(vec![*x]),
            _ => Err(Error::shape(
                "median",
                format!("wants x, and a number a picture where asked, got {inputs:?}"),
            )),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        // 19 exchanges of two numbers each; or each of 25 numbers against all.
        Cost::elementwise(if self.size == 3 { 38 } else { 4 * 25 * 25 }, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("median", "a gradient is not built"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let int = |v: usize| Word::I(v as i32);
        let params =
            vec![("size", x.vec4s().into()), ("c4", x.c4().into()), ("h", int(x.h)), ("w", int(x.w))];
        let variant = Variant::new("median").feature("each", self.each).feature("five", self.size == 5);
        let mut buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        buffers.extend(self.each.then(|| Access::Read(l.input(1))));
        l.dispatch(variant, params, buffers, x.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let near = |at: usize, d: isize, size: usize| at.saturating_add_signed(d).min(size - 1);
        let y = Array::from_fn(x.shape, |n, h, w, c| {
            if self.each && inputs[1].at(n, 0, 0, 0) == 0.0 {
                return x.at(n, h, w, c);
            }
            let (side, reach) = (self.size as isize, self.size as isize / 2);
            let around = (0..side * side).map(|i| (i / side - reach, i % side - reach));
            let mut seen: Vec<f64> =
                around.map(|(dy, dx)| x.at(n, near(h, dy, x.shape.h), near(w, dx, x.shape.w), c)).collect();
            seen.sort_by(f64::total_cmp);
            seen[seen.len() / 2]
        });
        vec![y]
    }
}

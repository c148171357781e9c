//! Gradient of resizing by its input.

use super::{Filter, Resize};
use crate::{
    Error, Result,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `dx` of a [`Resize`]; input dy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResizeGrad {
    /// The resizing.
    pub resize: Resize,
    /// Shape of its input.
    pub input: Shape,
}

impl Operator for ResizeGrad {
    fn name(&self) -> &'static str {
        "resize_grad"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if inputs[0] != self.resize.output(self.input)? {
            return Err(Error::shape("resize_grad", format!("{} does not fit {self:?}", inputs[0])));
        }
        Ok(vec![self.input])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let each = if self.resize.filter == Filter::Nearest { 1 } else { 8 };
        Cost { flops: each * inputs[0].count() as u64, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        // Both are linear, and each is the other's adjoint.
        let Some(dy) = b.dy() else { return Ok(()) };
        let dx = b.graph.apply(self.resize, &[dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (self.input, l.input_shape(0));
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        let variant = self.resize.variant("resize_grad");
        let threads = Resize::threads(x);
        l.dispatch(variant, self.resize.params(threads, x, y), buffers, threads);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let dy = &inputs[0];
        let mut dx = Array::zeros(self.input);
        Array::from_fn(dy.shape, |n, oy, ox, c| {
            let g = dy.at(n, oy, ox, c);
            for (iy, ix, share) in self.resize.taps(self.input, oy, ox) {
                *dx.at_mut(n, iy, ix, c) += share * g;
            }
            0.0
        });
        vec![dx]
    }
}

//! Gradient of pooling by its input.

use super::{Pool, PoolKind};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `dx` of a [`Pool`]; of equal maxima the first of the window, row by row, takes all, as in PyTorch.
///
/// Inputs: dy, and for the maximum x and y of the pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolGrad {
    /// The pooling.
    pub pool: Pool,
    /// Shape of its input.
    pub input: Shape,
}

impl Operator for PoolGrad {
    fn name(&self) -> &'static str {
        "pool_grad"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let y = self.pool.output(self.input)?;
        let fits = match (self.pool.kind, inputs) {
            (PoolKind::Max, [dy, x, top]) => (*dy, *x, *top) == (y, self.input, y),
            (PoolKind::Average, [dy]) => *dy == y,
            _ => false,
        };
        if !fits {
            return Err(Error::shape("pool_grad", format!("{inputs:?} do not fit {self:?}")));
        }
        Ok(vec![self.input])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let flops = (inputs[0].count() * self.pool.kernel[0] * self.pool.kernel[1]) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape(self.name(), "second derivatives are not built"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y, pool) = (self.input, l.input_shape(0), &self.pool);
        let tiles = pool.kernel == pool.stride && pool.pad == [0, 0];
        let variant =
            Variant::new("pool_grad").feature("largest", pool.kind == PoolKind::Max).feature("tiles", tiles);
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        let cells = x.n * x.h.div_ceil(pool.kernel[0]) * x.w.div_ceil(pool.kernel[1]) * x.c4();
        let threads = if tiles { cells } else { x.vec4s() };
        l.dispatch(variant, pool.params(threads, x, y), buffers, threads);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (dy, pool) = (&inputs[0], &self.pool);
        let mut dx = Array::zeros(self.input);
        let taps = (pool.kernel[0] * pool.kernel[1]) as f64;
        Array::from_fn(dy.shape, |n, oy, ox, c| {
            let window = pool.window(self.input, oy, ox);
            let g = dy.at(n, oy, ox, c);
            if pool.kind == PoolKind::Average {
                window.iter().for_each(|(y, x)| *dx.at_mut(n, *y, *x, c) += g / taps);
                return 0.0;
            }
            let seen = |at: &(usize, usize)| inputs[1].at(n, at.0, at.1, c);
            let first = window.iter().copied().reduce(|a, b| if seen(&b) > seen(&a) { b } else { a });
            if let Some((y, x)) = first {
                *dx.at_mut(n, y, x, c) += g;
            }
            0.0
        });
        vec![dx]
    }
}

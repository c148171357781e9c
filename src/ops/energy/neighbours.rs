//! Sums over neighbours by weights that each pixel has for them.

use super::{NeighbourDots, around, opposite};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape, Var},
};

/// `y_i = scale * sum of k_ij u_j` over the neighbours that exist. Inputs: weights k `[N, H, W, 4]` by direction (up, down,
/// left, right) and u `[N, H, W, C]`. The adjoint takes k_ji, the neighbour's weight for the pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbours {
    /// Factor of the sum.
    pub scale: f32,
    /// Takes the weights of the neighbours.
    pub adjoint: bool,
}

impl Neighbours {
    /// By the pixel's own weights.
    pub const fn new(scale: f32) -> Self {
        Self { scale, adjoint: false }
    }
}

impl Operator for Neighbours {
    fn name(&self) -> &'static str {
        "energy/neighbours"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [k, u] if *k == u.with_c(4) => Ok(vec![*u]),
            _ => Err(Error::shape("neighbours", format!("weights and tensor do not fit: {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(8, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.adjoint) else {
            return Err(Error::shape("neighbours", "the adjoint has no gradient"));
        };
        let (k, u): (Var, Var) = (b.input(0), b.input(1));
        if b.wants(0) {
            let dk = b.graph.apply(NeighbourDots { scale: self.scale }, &[dy, u])?;
            b.give(0, dk);
        }
        if b.wants(1) {
            let du = b.graph.apply(Self { adjoint: true, ..*self }, &[k, dy])?;
            b.give(1, du);
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let u = l.input_shape(1);
        let params = vec![
            ("size", u.vec4s().into()),
            ("h", u.h.into()),
            ("w", u.w.into()),
            ("c4", u.c4().into()),
            ("scale", self.scale.into()),
        ];
        let variant = Variant::new("energy/neighbours").feature("adjoint", self.adjoint);
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0)), Access::Read(l.input(1))];
        l.dispatch(variant, params, buffers, u.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (k, u) = (&inputs[0], &inputs[1]);
        let weight = |n, (h, w), (d, y, x)| match self.adjoint {
            true => k.at(n, y, x, opposite(d)),
            false => k.at(n, h, w, d),
        };
        vec![Array::from_fn(u.shape, |n, h, w, c| {
            let sum: f64 = around(u.shape, h, w).map(|p| weight(n, (h, w), p) * u.at(n, p.1, p.2, c)).sum();
            f64::from(self.scale) * sum
        })]
    }
}

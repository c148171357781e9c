//! Scalar products with neighbours.

use super::{around, pixel};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `y_ij = scale * (a_i . u_j)` for the neighbours j of each pixel i by direction (up, down, left, right), `[N, H, W, 4]`; 0
/// where there is none. Inputs: a and u, both `[N, H, W, C]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeighbourDots {
    /// Factor of the products.
    pub scale: f32,
}

impl Operator for NeighbourDots {
    fn name(&self) -> &'static str {
        "energy/neighbour_dots"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [a, u] if a == u => Ok(vec![a.with_c(4)]),
            _ => Err(Error::shape("neighbour_dots", format!("shapes differ: {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(8, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("neighbour_dots", "a gradient is not built"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let a = l.input_shape(0);
        let params = vec![
            ("pixels", a.pixels().into()),
            ("h", a.h.into()),
            ("w", a.w.into()),
            ("c4", a.c4().into()),
            ("scale", self.scale.into()),
        ];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0)), Access::Read(l.input(1))];
        l.dispatch(Variant::new("energy/neighbour_dots"), params, buffers, a.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (a, u) = (&inputs[0], &inputs[1]);
        let dot = |n, h, w, y, x| -> f64 {
            pixel(a, n, h, w).iter().zip(pixel(u, n, y, x)).map(|(a, u)| a * u).sum()
        };
        vec![Array::from_fn(a.shape.with_c(4), |n, h, w, d| {
            let found = around(a.shape, h, w).find(|p| p.0 == d);
            found.map_or(0.0, |(_, y, x)| f64::from(self.scale) * dot(n, h, w, y, x))
        })]
    }
}

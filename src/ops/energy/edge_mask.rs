//! The component graph: which neighbours listen to each other (eq 8).

use super::{around, opposite};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `phi = 1 where |F - F of a neighbour| <= threshold, else 0`, one channel a direction (up, down, left, right), from a
/// filtered picture F `[N, H, W, 1]`; 0 towards neighbours outside the picture. Where `softness` is above 0 the step is a
/// sigmoid of that width, and F, perhaps made by a filter that is learnt, has a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EdgeMask {
    /// Largest difference that leaves an edge whole.
    pub threshold: f32,
    /// Width of the sigmoid; 0: a step.
    pub softness: f32,
    backward: bool,
}

impl EdgeMask {
    /// Input F.
    pub const fn new(threshold: f32, softness: f32) -> Self {
        Self { threshold, softness, backward: false }
    }

    fn phi(&self, apart: f64) -> f64 {
        let over = apart.abs() - f64::from(self.threshold);
        if self.softness > 0.0 {
            1.0 / (1.0 + (over / f64::from(self.softness)).exp())
        } else {
            f64::from(u8::from(over <= 0.0))
        }
    }
}

impl Operator for EdgeMask {
    fn name(&self) -> &'static str {
        "energy/edge_mask"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let fail = |message: String| Err(Error::shape("edge_mask", message));
        let known = |v: f32| v.is_finite() && v >= 0.0;
        if !known(self.threshold) || !known(self.softness) {
            return fail(format!("threshold and softness must be 0 or more: {self:?}"));
        }
        match inputs {
            [f] if f.c == 1 && !self.backward => Ok(vec![f.with_c(4)]),
            [f, phi, slopes] if self.backward && [phi, slopes].iter().all(|s| **s == f.with_c(4)) => {
                Ok(vec![*f])
            }
            _ => fail(format!("wants a filtered picture of one channel, got {inputs:?}")),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(4, inputs, outputs)
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), true, false) = (b.dy(), self.softness > 0.0, self.backward) else {
            return Err(Error::shape("edge_mask", "a mask of steps has no gradient; give it a softness"));
        };
        let op = Self { backward: true, ..*self };
        let df = b.graph.apply(op, &[b.input(0), b.output(0), dy])?;
        b.give(0, df);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let f = l.input_shape(0);
        let params = vec![
            ("pixels", f.pixels().into()),
            ("h", f.h.into()),
            ("w", f.w.into()),
            ("threshold", self.threshold.into()),
            ("sharpness", (1.0 / self.softness.max(1e-30)).into()),
        ];
        let soft = self.softness > 0.0 && !self.backward;
        let variant =
            Variant::new("energy/edge_mask").feature("soft", soft).feature("backward", self.backward);
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, f.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let f = &inputs[0];
        if self.backward {
            return vec![Array::from_fn(f.shape, |n, h, w, _| {
                let pull = |(d, y, x): (usize, usize, usize)| {
                    let phi = inputs[1].at(n, h, w, d);
                    let slope = inputs[2].at(n, h, w, d) + inputs[2].at(n, y, x, opposite(d));
                    let apart = f.at(n, h, w, 0) - f.at(n, y, x, 0);
                    let side = if apart == 0.0 { 0.0 } else { apart.signum() };
                    -phi * (1.0 - phi) * slope * side / f64::from(self.softness)
                };
                around(f.shape, h, w).map(pull).sum()
            })];
        }
        vec![Array::from_fn(f.shape.with_c(4), |n, h, w, d| {
            let mut near = around(f.shape, h, w);
            near.find(|p| p.0 == d).map_or(0.0, |(_, y, x)| self.phi(f.at(n, h, w, 0) - f.at(n, y, x, 0)))
        })]
    }
}

//! Likeness of neighbours in a picture (eq 12).

use super::{around, opposite, pixel};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `k_ij = exp(-|x_i - x_j|^2 / bandwidth^2)`, `[N, H, W, 4]` by direction (up, down, left, right) and 0 where there is no
/// neighbour, of pictures x `[N, H, W, C]`; where `normalised` divided by its sum over the neighbours, the softmax that eq 12
/// calls a probability mass function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CrfKernel {
    /// Difference at which likeness has fallen to 1/e, in the picture's units.
    pub bandwidth: f32,
    /// Sums to 1 over the neighbours.
    pub normalised: bool,
    backward: bool,
}

impl CrfKernel {
    /// Input x.
    pub const fn new(bandwidth: f32, normalised: bool) -> Self {
        Self { bandwidth, normalised, backward: false }
    }

    fn narrow(&self) -> f32 {
        1.0 / (self.bandwidth * self.bandwidth)
    }

    /// Gradient; inputs x, k, dk.
    fn lower_backward(&self, l: &mut Lowering<'_>) {
        let x = l.input_shape(0);
        let slopes = l.scratch("slopes", x.with_c(4));
        let params = vec![("pixels", x.pixels().into()), ("narrow", self.narrow().into())];
        let buffers = vec![Access::Write(slopes), Access::Read(l.input(1)), Access::Read(l.input(2))];
        let variant = Variant::new("energy/crf_kernel/slopes").feature("normalised", self.normalised);
        l.dispatch(variant, params, buffers, x.pixels());
        let params =
            vec![("size", x.vec4s().into()), ("h", x.h.into()), ("w", x.w.into()), ("c4", x.c4().into())];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0)), Access::Read(slopes)];
        l.dispatch(Variant::new("energy/crf_kernel/apply"), params, buffers, x.vec4s());
    }
}

impl Operator for CrfKernel {
    fn name(&self) -> &'static str {
        "energy/crf_kernel"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let fail = |message: String| Err(Error::shape("crf_kernel", message));
        if !(self.bandwidth > 1e-6 && self.bandwidth.is_finite()) {
            return fail(format!("the bandwidth must be above 1e-6, not {}", self.bandwidth));
        }
        match inputs {
            [x] if x.count() > 0 && !self.backward => Ok(vec![x.with_c(4)]),
            [x, k, dk] if self.backward && [k, dk].iter().all(|s| **s == x.with_c(4)) => Ok(vec![*x]),
            _ => fail(format!("shapes do not fit: {inputs:?}")),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(12, inputs, outputs)
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        if self.backward { Vec::new() } else { vec![0] }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.backward) else {
            return Err(Error::shape("crf_kernel", "second derivatives are not built"));
        };
        let op = Self { backward: true, ..*self };
        let dx = b.graph.apply(op, &[b.input(0), b.output(0), dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        if self.backward {
            self.lower_backward(l);
            return Ok(());
        }
        let x = l.input_shape(0);
        let params = vec![
            ("pixels", x.pixels().into()),
            ("h", x.h.into()),
            ("w", x.w.into()),
            ("c4", x.c4().into()),
            ("narrow", self.narrow().into()),
        ];
        let variant = Variant::new("energy/crf_kernel/weights").feature("normalised", self.normalised);
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        l.dispatch(variant, params, buffers, x.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let narrow = f64::from(self.narrow());
        let apart = |n, h, w, y, x_| -> f64 {
            narrow
                * pixel(x, n, h, w).iter().zip(pixel(x, n, y, x_)).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
        };
        if !self.backward {
            return vec![Array::from_fn(x.shape.with_c(4), |n, h, w, d| {
                let near: Vec<_> = around(x.shape, h, w).collect();
                let far = |p: &(usize, usize, usize)| apart(n, h, w, p.1, p.2);
                let least = near.iter().map(far).fold(f64::INFINITY, f64::min);
                let off = if self.normalised { least } else { 0.0 };
                let total: f64 = near.iter().map(|p| (off - far(p)).exp()).sum();
                let found = near.iter().find(|p| p.0 == d).map_or(0.0, |p| (off - far(p)).exp());
                if self.normalised && total > 0.0 { found / total } else { found }
            })];
        }
        let (k, dk) = (&inputs[1], &inputs[2]);
        let slope = |n, h, w, d| {
            let mean: f64 = (0..4).map(|e| k.at(n, h, w, e) * dk.at(n, h, w, e)).sum();
            k.at(n, h, w, d) * (dk.at(n, h, w, d) - if self.normalised { mean } else { 0.0 })
        };
        vec![Array::from_fn(x.shape, |n, h, w, c| {
            let pull = |(d, y, x_): (usize, usize, usize)| {
                let both = slope(n, h, w, d) + slope(n, y, x_, opposite(d));
                -2.0 * narrow * both * (x.at(n, h, w, c) - x.at(n, y, x_, c))
            };
            around(x.shape, h, w).map(pull).sum()
        })]
    }
}

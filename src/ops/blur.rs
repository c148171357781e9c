//! Gaussian blur.

use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `y = scale * sum over d of g(d) x[. + d]` along one axis, with `g` a Gaussian cut off at three deviations and
/// summing to 1; pixels beyond the border are those at it. Inputs: x `[N, H, W, C]` and, where `each`, the deviation
/// of each picture `[N, 1, 1, 1]`, of which 0 leaves it as it is. Two of them, one an axis, blur a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blur {
    /// Standard deviation, pixels; where `each`, the largest.
    pub sigma: f32,
    /// Along rows; else along columns.
    pub across: bool,
    /// Factor of the result.
    pub scale: f32,
    /// Whether a second input holds deviations.
    pub each: bool,
}

impl Blur {
    fn radius(&self) -> usize {
        (3.0 * self.sigma).ceil() as usize
    }
}

impl Operator for Blur {
    fn name(&self) -> &'static str {
        "blur"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if !(self.sigma > 0.0 && self.sigma <= 1024.0) {
            let message =
                format!("the deviation must be above 0 and at most 1024 pixels, not {}", self.sigma);
            return Err(Error::shape("blur", message));
        }
        match inputs {
            [x] if !self.each => Ok(vec![*x]),
            [x, sigmas] if self.each && *sigmas == Shape::new(x.n, 1, 1, 1) => Ok(vec![*x]),
            _ => Err(Error::shape(
                "blur",
                format!("wants x, and a deviation a picture where asked, got {inputs:?}"),
            )),
        }
    }

    fn exact_inputs(&self) -> Vec<usize> {
        if self.each { vec![1] } else { Vec::new() }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(2 * (2 * self.radius() as u64 + 1), inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("blur", "a gradient is not built"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let int = |v: usize| Word::I(v as i32);
        let params = vec![
            ("size", x.vec4s().into()),
            ("c4", x.c4().into()),
            ("h", int(x.h)),
            ("w", int(x.w)),
            ("across", int(self.across.into())),
            ("narrow", (0.5 / (self.sigma * self.sigma)).into()),
            ("scale", self.scale.into()),
        ];
        let variant =
            Variant::new("blur").constant("RADIUS", self.radius() as u32).feature("each", self.each);
        let mut buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        buffers.extend(self.each.then(|| Access::Read(l.input(1))));
        l.dispatch(variant, params, buffers, x.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let radius = self.radius() as isize;
        let weight = |n: usize, d: isize| {
            let sigma = if self.each {
                inputs[1].at(n, 0, 0, 0).min(f64::from(self.sigma))
            } else {
                f64::from(self.sigma)
            };
            if sigma > 0.0 { (-0.5 * (d as f64 / sigma).powi(2)).exp() } else { f64::from(u8::from(d == 0)) }
        };
        let moved = |at: usize, d: isize, size: usize| at.saturating_add_signed(d).min(size - 1);
        let y = Array::from_fn(x.shape, |n, h, w, c| {
            let seen = |d: isize| match self.across {
                true => x.at(n, h, moved(w, d, x.shape.w), c),
                false => x.at(n, moved(h, d, x.shape.h), w, c),
            };
            let whole: f64 = (-radius..=radius).map(|d| weight(n, d)).sum();
            let sum: f64 = (-radius..=radius).map(|d| weight(n, d) * seen(d)).sum();
            sum * f64::from(self.scale) / whole
        });
        vec![y]
    }
}

//! Binary cross-entropy of logits: plain, weighted and focal.

use super::{check_pair, scale_by_upstream, shares};
use crate::{
    Result,
    gpu::Variant,
    graph::{Array, Backward, Cost, Lowering, Operator, Shape},
    ops::Act,
};

/// Mean over all elements of `-a g (1 - p)^gamma log p - b (1 - g) p^gamma log(1 - p)` (nats) with
/// `p = sigmoid(v)`, `a` the weight of positives and `b` that of negatives.
///
/// With weights of 1 and no focus it is binary cross-entropy; with `a = beta`, `b = 1 - beta` the weighted one
/// of equation 8 of the recurrent residual attention U-Net paper; with `a = alpha`, `b = 1 - alpha` and a
/// focus the focal loss of Lin et al. 2017.
///
/// Inputs: logits v `[N,H,W,C]`, target g of that shape, 0 to 1. Outputs: the loss (a scalar), and its
/// gradient by the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bce {
    /// Weight of what should be 1.
    pub positive: f32,
    /// Weight of what should be 0.
    pub negative: f32,
    /// Exponent of the focus: 0 for none; else elements that are nearly right count less.
    pub gamma: f32,
}

impl Bce {
    /// Binary cross-entropy.
    pub const PLAIN: Self = Self { positive: 1.0, negative: 1.0, gamma: 0.0 };

    /// Weighted cross-entropy: positives by `beta`, negatives by `1 - beta`.
    pub const fn weighted(beta: f32) -> Self {
        Self { positive: beta, negative: 1.0 - beta, gamma: 0.0 }
    }

    /// Focal loss: positives by `alpha`, negatives by `1 - alpha`.
    pub const fn focal(alpha: f32, gamma: f32) -> Self {
        Self { gamma, ..Self::weighted(alpha) }
    }
}

impl Operator for Bce {
    fn name(&self) -> &'static str {
        "bce"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        check_pair(self.name(), inputs)
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(if self.gamma > 0.0 { 40 } else { 20 }, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        scale_by_upstream(self.name(), b)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let shares = shares(x.vec4s(), 1);
        let scale = 1.0 / x.count() as f32;
        let params = vec![
            ("size", x.vec4s().into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("shares", shares.into()),
            ("scale", scale.into()),
            ("positive", self.positive.into()),
            ("negative", self.negative.into()),
            ("gamma", self.gamma.into()),
        ];
        let variant = Variant::new("loss/bce").feature("focal", self.gamma > 0.0);
        super::in_one_pass(l, variant, params, shares, scale);
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0, 1]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, g) = (&inputs[0], &inputs[1]);
        let count = x.shape.count() as f64;
        let [a, b, gamma] = [self.positive, self.negative, self.gamma].map(f64::from);
        // -log p of a logit, its weight by the focus, and the slope of their product.
        let side = |v: f64| {
            let (p, q) = (Act::Sigmoid.value(v), Act::Sigmoid.value(-v));
            let lost = (-v).max(0.0) + (-v.abs()).exp().ln_1p();
            let focus = q.powf(gamma);
            (focus * lost, -focus * (gamma * p * lost + q))
        };
        let mut loss = 0.0;
        let slopes = x.data.iter().zip(&g.data).map(|(v, g)| {
            let (yes, no) = (side(*v), side(-v));
            loss += (a * g * yes.0 + b * (1.0 - g) * no.0) / count;
            (a * g * yes.1 - b * (1.0 - g) * no.1) / count
        });
        let slopes = slopes.collect();
        vec![Array { shape: Shape::SCALAR, data: vec![loss] }, Array { shape: x.shape, data: slopes }]
    }
}

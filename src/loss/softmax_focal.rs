//! Focal losses of a softmax.

use super::{check_pair, scale_by_upstream, shares};
use crate::{
    Result,
    gpu::Variant,
    graph::{Array, Backward, Cost, Lowering, Operator, Shape},
    ops::Softmax,
};

/// Mean over pixels and channels of a focal loss of `p`, the softmax over a pixel's channels.
///
/// One against all: `-alpha g (1 - p)^gamma log p - (1 - alpha) (1 - g) p^gamma log(1 - p)` of each channel, as
/// equation 25 of the energy-recurrency paper has it. Of the true class alone: `-a g (1 - p)^gamma log p` with a = 1 - alpha
/// for class 0, the background, and alpha for all others. Chances below 1e-30 cost what those of 1e-30 do.
///
/// Inputs: logits `[N,H,W,C]`, target g of that shape, 0 to 1, one-hot over the channels. Outputs: the loss (a
/// scalar), and its gradient by the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SoftmaxFocal {
    /// Weight of what should be 1.
    pub alpha: f32,
    /// Exponent: elements that are nearly right count less.
    pub gamma: f32,
    /// Every channel is a question of its own; else the true class alone counts.
    pub one_vs_all: bool,
}

impl SoftmaxFocal {
    /// Of a channel: the loss, and p times its derivative by p.
    fn term_twin(&self, class: usize, log_p: f64, log_q: f64, g: f64) -> [f64; 2] {
        let (alpha, gamma) = (f64::from(self.alpha), f64::from(self.gamma));
        let (p, q) = (log_p.exp(), log_q.exp());
        let a = if self.one_vs_all || class > 0 { alpha } else { 1.0 - alpha };
        let hard = a * g * q.powf(gamma);
        let mut term = [-hard * log_p, hard * (gamma * p / q * log_p - 1.0)];
        if self.one_vs_all {
            let soft = (1.0 - alpha) * (1.0 - g) * p.powf(gamma);
            term[0] -= soft * log_q;
            term[1] += soft * (p / q - gamma * log_q);
        }
        term
    }
}

impl Operator for SoftmaxFocal {
    fn name(&self) -> &'static str {
        "softmax_focal"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        check_pair(self.name(), inputs)
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(80, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        scale_by_upstream(self.name(), b)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let shares = shares(x.pixels(), 1);
        let scale = 1.0 / x.count() as f32;
        let params = vec![
            ("pixels", x.pixels().into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("shares", shares.into()),
            ("scale", scale.into()),
            ("alpha", self.alpha.into()),
            ("gamma", self.gamma.into()),
        ];
        let variant = Variant::new("loss/softmax_focal").feature("one_vs_all", self.one_vs_all);
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
        let (c, count) = (x.shape.c, x.shape.count() as f64);
        let log_p = &Softmax::log().twin(&inputs[..1])[0];
        let mut loss = 0.0;
        let mut slopes = Array::zeros(x.shape);
        for first in (0..x.shape.count()).step_by(c) {
            let log_p = &log_p.data[first..first + c];
            // What a channel's chance lacks to one is the sum of the others.
            let lacks = |k: usize| {
                let others = log_p.iter().enumerate().filter(|(i, _)| *i != k);
                others.map(|(_, v)| v.exp()).sum::<f64>().max(1e-300)
            };
            let term = |k: usize| self.term_twin(k, log_p[k], lacks(k).ln(), g.data[first + k]);
            let terms: Vec<[f64; 2]> = (0..c).map(term).collect();
            loss += terms.iter().map(|t| t[0]).sum::<f64>() / count;
            for k in 0..c {
                let others: f64 = (0..c).filter(|i| *i != k).map(|i| terms[i][1]).sum();
                slopes.data[first + k] = (terms[k][1] * lacks(k) - log_p[k].exp() * others) / count;
            }
        }
        vec![Array { shape: Shape::SCALAR, data: vec![loss] }, slopes]
    }
}

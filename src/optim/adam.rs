//! Adam and AdamW, and the arithmetic of moments that NAdam shares.

use crate::gpu::Word;

/// What methods with a first and a second moment have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// How slowly the mean of the gradients, and of their squares, move.
    pub betas: [f64; 2],
    /// Added to the root in the denominator, after bias correction.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether weights decay by themselves, `p -= lr weight_decay p`, instead of through the gradient.
    pub decoupled: bool,
}

impl Default for Moments {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }
}

impl Moments {
    /// Uniform members of `optim/adam` after `size`: the parameter moves against
    /// `(by_moment m + by_gradient g) / (sqrt(v / (1 - beta2^step)) + eps)`; `step` counts from 1.
    pub(super) fn factors(
        &self,
        step: u64,
        lr: f64,
        [by_moment, by_gradient]: [f64; 2],
        bound: f64,
    ) -> Vec<(&'static str, Word)> {
        let [beta1, beta2] = self.betas;
        let (l2, decay) =
            if self.decoupled { (0.0, lr * self.weight_decay) } else { (self.weight_decay, 0.0) };
        super::words([
            ("l2", l2),
            ("decay", decay),
            ("take1", 1.0 - beta1),
            ("keep2", beta2),
            ("take2", 1.0 - beta2),
            ("root", 1.0 / filled(beta2, step).sqrt()),
            ("eps", self.eps),
            ("by_moment", by_moment),
            ("by_gradient", by_gradient),
            ("bound", bound),
        ])
    }
}

/// `1 - beta^step`: how much of a mean that started at zero has been filled.
fn filled(beta: f64, step: u64) -> f64 {
    1.0 - beta.powf(step as f64)
}

/// Adam (Kingma and Ba 2015, algorithm 1) as `torch.optim.Adam`, and AdamW (Loshchilov and Hutter 2019) where
/// the decay is decoupled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Adam {
    /// Moments and decay.
    pub moments: Moments,
    /// Divide by the largest second moment so far (AMSGrad, Reddi et al. 2018).
    pub amsgrad: bool,
}

impl Adam {
    pub(super) fn factors(&self, step: u64, lr: f64, bound: f64) -> Vec<(&'static str, Word)> {
        let by_moment = lr / filled(self.moments.betas[0], step);
        self.moments.factors(step, lr, [by_moment, 0.0], bound)
    }
}

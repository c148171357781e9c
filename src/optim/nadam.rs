//! Adam with Nesterov's look ahead.

use super::Moments;
use crate::gpu::Word;

/// NAdam (Dozat 2016) as `torch.optim.NAdam`: the momentum follows the schedule
/// `mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NAdam {
    /// Moments and decay.
    pub moments: Moments,
    /// How fast the momentum comes up to beta1.
    pub momentum_decay: f64,
}

impl Default for NAdam {
    fn default() -> Self {
        Self { moments: Moments::default(), momentum_decay: 0.004 }
    }
}

impl NAdam {
    fn mu(&self, step: u64) -> f64 {
        self.moments.betas[0] * (1.0 - 0.5 * 0.96f64.powf(step as f64 * self.momentum_decay))
    }

    /// The product of all `mu` up to `step`, from that of the steps before.
    pub(super) fn product(&self, step: u64, before: f64) -> f64 {
        before * self.mu(step)
    }

    /// `product` is that of all `mu` up to and with this step.
    pub(super) fn factors(&self, step: u64, lr: f64, product: f64, bound: f64) -> Vec<(&'static str, Word)> {
        let (mu, next) = (self.mu(step), self.mu(step + 1));
        let by_gradient = lr * (1.0 - mu) / (1.0 - product);
        let by_moment = lr * next / (1.0 - product * next);
        self.moments.factors(step, lr, [by_moment, by_gradient], bound)
    }
}

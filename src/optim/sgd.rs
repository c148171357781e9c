//! Stochastic gradient descent.

use crate::gpu::Word;

/// Gradient descent with momentum and L2 weight decay, as `torch.optim.SGD`: with `g' = g + weight_decay p`
/// and `b = momentum b + (1 - dampening) g'` (the first step takes g' whole), `p -= lr b`, or with Nesterov's
/// look ahead `p -= lr (g' + momentum b)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sgd {
    /// Share of the last step that is repeated.
    pub momentum: f64,
    /// Share of the gradient that is withheld from the momentum.
    pub dampening: f64,
    /// Look ahead along the momentum.
    pub nesterov: bool,
    /// Added to the gradient, times the parameter.
    pub weight_decay: f64,
}

impl Sgd {
    /// Uniform members of `optim/sgd` after `size`; `step` counts from 1.
    pub(super) fn factors(&self, step: u64, lr: f64, bound: f64) -> Vec<(&'static str, Word)> {
        let take = if step == 1 { 1.0 } else { 1.0 - self.dampening };
        super::words([
            ("l2", self.weight_decay),
            ("rate", lr),
            ("keep", self.momentum),
            ("take", take),
            ("bound", bound),
        ])
    }
}

//! Clipping by the norm over all gradients, without a look from the host.

use super::pass::{Pass, Survey};
use crate::{
    Result,
    gpu::{Context, Variant, Word},
    graph::Arenas,
};

/// The kernel of an arena's sums of squares.
pub(super) const SQUARES: &str = "optim/norm";

/// The kernel of the norm and the factor, and its parameters.
pub(super) fn norm(shares: usize, limit: f64, scaled: bool) -> (Variant, [(&'static str, Word); 2]) {
    let params = [("shares", shares.into()), ("limit", (limit as f32).into())];
    (Variant::new("optim/clip").feature("scaled", scaled), params)
}

/// Measures the norm of all gradients and the factor `min(1, limit / (norm + 1e-6))`, as
/// `torch.nn.utils.clip_grad_norm_`.
pub(super) struct Clip {
    passes: Vec<Pass>,
    /// The norm and the factor, f32 each.
    pub(super) outcome: wgpu::Buffer,
}

impl Clip {
    /// Of gradients that come multiplied by the scale in `scaling`, if there is one.
    pub(super) fn new(
        context: &Context,
        gradients: &Arenas,
        limit: f64,
        scaling: Option<&wgpu::Buffer>,
    ) -> Result<Self> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let outcome = context.buffer("norm of gradients", 16, usage)?;
        let Survey { mut passes, partial, shares } = Survey::new(context, gradients, SQUARES)?;
        let (variant, params) = norm(shares, limit, scaling.is_some());
        let buffers: Vec<_> = [&outcome, &partial].into_iter().chain(scaling).collect();
        passes.push(Pass::new(context, &variant, &params, &buffers, 64)?);
        Ok(Self { passes, outcome })
    }

    /// The passes in order.
    pub(super) fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.passes.iter()
    }
}

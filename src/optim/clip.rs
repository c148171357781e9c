//! Clipping by the norm over all gradients, without a look from the host.

use super::{pass::Pass, vec4s};
use crate::{
    Result,
    gpu::{Context, Variant, Word},
    graph::Arenas,
};

/// Most workgroups that the squares of one arena are summed by.
const SHARES: usize = 256;

/// The kernel of an arena's sums of squares, and its parameters.
pub(super) fn squares(size: usize, shares: usize, first: usize) -> (Variant, [(&'static str, Word); 3]) {
    let params = [("size", size.into()), ("shares", shares.into()), ("first", first.into())];
    (Variant::new("optim/norm"), params)
}

/// The kernel of the norm and the factor, and its parameters.
pub(super) fn norm(shares: usize, limit: f64) -> (Variant, [(&'static str, Word); 2]) {
    (Variant::new("optim/clip"), [("shares", shares.into()), ("limit", (limit as f32).into())])
}

/// Measures the norm of all gradients and the factor `min(1, limit / (norm + 1e-6))`, as
/// `torch.nn.utils.clip_grad_norm_`.
pub(super) struct Clip {
    passes: Vec<Pass>,
    /// The norm and the factor, f32 each.
    pub(super) outcome: wgpu::Buffer,
}

impl Clip {
    pub(super) fn new(context: &Context, gradients: &Arenas, limit: f64) -> Result<Self> {
        let shares: Vec<usize> =
            gradients.buffers.iter().map(|b| vec4s(b).div_ceil(64 * 4).clamp(1, SHARES)).collect();
        let total: usize = shares.iter().sum();
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let partial = context.buffer("squares of gradients", 16 * total.max(1) as u64, usage)?;
        let outcome = context.buffer("norm of gradients", 16, usage)?;
        let mut passes = Vec::new();
        let mut first = 0;
        for (gradient, shares) in gradients.buffers.iter().zip(shares) {
            let (variant, params) = squares(vec4s(gradient), shares, first);
            passes.push(Pass::new(context, &variant, &params, &[&partial, gradient], 64 * shares)?);
            first += shares;
        }
        let (variant, params) = norm(total, limit);
        passes.push(Pass::new(context, &variant, &params, &[&outcome, &partial], 64)?);
        Ok(Self { passes, outcome })
    }

    /// The passes in order.
    pub(super) fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.passes.iter()
    }

    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.passes.iter().for_each(|p| p.record(pass));
    }
}

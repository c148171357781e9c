//! A kernel bound to its buffers, with parameters that may be changed between submissions.

use super::vec4s;
use crate::{
    Result,
    gpu::{Context, Step, Variant, Word},
    graph::Arenas,
};

/// Most workgroups that one arena is looked at by.
const SHARES: usize = 256;

/// A first stage over all gradients: a vec4 of `partial` for each share of each arena.
pub(super) struct Survey {
    pub(super) passes: Vec<Pass>,
    pub(super) partial: wgpu::Buffer,
    /// Shares of all arenas.
    pub(super) shares: usize,
}

impl Survey {
    /// With the kernel `file`.
    pub(super) fn new(context: &Context, gradients: &Arenas, file: &'static str) -> Result<Self> {
        let parts: Vec<usize> =
            gradients.buffers.iter().map(|b| vec4s(b).div_ceil(64 * 4).clamp(1, SHARES)).collect();
        let shares: usize = parts.iter().sum();
        let partial = context.buffer(file, 16 * shares.max(1) as u64, wgpu::BufferUsages::STORAGE)?;
        let mut passes = Vec::new();
        let mut first = 0;
        for (gradient, shares) in gradients.buffers.iter().zip(parts) {
            let (variant, params) = Self::kernel(file, vec4s(gradient), shares, first);
            passes.push(Pass::new(context, &variant, &params, &[&partial, gradient], 64 * shares)?);
            first += shares;
        }
        Ok(Self { passes, partial, shares })
    }

    /// The kernel of one arena of `size` vec4, and its parameters.
    pub(super) fn kernel(
        file: &'static str,
        size: usize,
        shares: usize,
        first: usize,
    ) -> (Variant, [(&'static str, Word); 3]) {
        (Variant::new(file), [("size", size.into()), ("shares", shares.into()), ("first", first.into())])
    }
}

pub(super) struct Pass {
    step: Step,
    uniform: wgpu::Buffer,
}

impl Pass {
    /// Binds `buffers` in the order of their binding numbers and sets the first parameters.
    pub(super) fn new(
        context: &Context,
        variant: &Variant,
        params: &[(&'static str, Word)],
        buffers: &[&wgpu::Buffer],
        threads: usize,
    ) -> Result<Self> {
        let kernel = context.kernel(variant)?;
        let uniform = kernel.uniform(context, params)?;
        let resources = std::iter::once(&uniform).chain(buffers.iter().copied());
        let resources = resources.map(wgpu::Buffer::as_entire_binding);
        let step = kernel.bind(context, resources, kernel.groups(threads))?;
        Ok(Self { step, uniform })
    }

    /// Changes the parameters, whose names must be those of [`Self::new`], for the next submission.
    pub(super) fn set(&self, queue: &wgpu::Queue, params: &[(&'static str, Word)]) {
        let words: Vec<u32> = params.iter().map(|p| p.1.bits()).collect();
        queue.write_buffer(&self.uniform, 0, bytemuck::cast_slice(&words));
    }

    /// The bound kernel, to be timed.
    pub(super) fn step(&self) -> &Step {
        &self.step
    }

    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        self.step.record(pass);
    }
}

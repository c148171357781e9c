//! A kernel bound to its buffers, with parameters that may be changed between submissions.

use crate::{
    Result,
    gpu::{Context, Step, Variant, Word},
};

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

//! A kernel bound to its buffers, with parameters that may be changed between submissions.

use std::sync::Arc;

use crate::{
    Error, Result,
    gpu::{Context, Kernel, Variant, Word},
};

/// Bytes that each pass has for its parameters.
const ROOM: u64 = 64;

pub(super) struct Pass {
    kernel: Arc<Kernel>,
    bind_group: wgpu::BindGroup,
    uniform: wgpu::Buffer,
    groups: [u32; 3],
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
        let words = kernel.pack(params)?;
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let uniform = context.buffer("parameters of the optimiser", ROOM, usage)?;
        context.queue.write_buffer(&uniform, 0, bytemuck::cast_slice(&words));
        let entries: Vec<_> = std::iter::once(&uniform)
            .chain(buffers.iter().copied())
            .zip(&kernel.expanded.bindings)
            .map(|(buffer, slot)| wgpu::BindGroupEntry {
                binding: slot.0,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let descriptor = wgpu::BindGroupDescriptor {
            label: Some(&kernel.label),
            layout: &kernel.layout,
            entries: &entries,
        };
        let (bind_group, error) = context.scoped(|| context.device.create_bind_group(&descriptor));
        if let Some(message) = error {
            return Err(Error::Shader { shader: kernel.label.clone(), message });
        }
        Ok(Self { bind_group, uniform, groups: kernel.groups(threads), kernel })
    }

    /// Changes the parameters, whose names must be those of [`Self::new`], for the next submission.
    pub(super) fn set(&self, queue: &wgpu::Queue, params: &[(&'static str, Word)]) {
        let words: Vec<u32> = params.iter().map(|p| p.1.bits()).collect();
        queue.write_buffer(&self.uniform, 0, bytemuck::cast_slice(&words));
    }

    pub(super) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.kernel.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.groups[0], self.groups[1], self.groups[2]);
    }
}

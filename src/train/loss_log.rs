//! Losses kept on the device until someone wants them, so that no step waits for the one before.

use crate::{Result, gpu::Context};

/// A row of numbers on the device, one a micro-batch.
pub struct LossLog {
    buffer: wgpu::Buffer,
    /// Weight of each number in its step's loss, and whether it ends the step.
    entries: Vec<(f32, bool)>,
}

impl LossLog {
    /// Numbers that can wait.
    pub const CAPACITY: usize = 1024;

    pub fn new(context: &Context) -> Result<Self> {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffer = context.buffer("losses", 4 * Self::CAPACITY as u64, usage)?;
        Ok(Self { buffer, entries: Vec::new() })
    }

    /// Records a copy of the loss at `offset` of `source`. Past the capacity the oldest numbers are lost.
    pub fn record(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        source: &wgpu::Buffer,
        offset: u64,
        weight: f32,
        last: bool,
    ) {
        let slot = self.entries.len() % Self::CAPACITY;
        encoder.copy_buffer_to_buffer(source, offset, &self.buffer, 4 * slot as u64, 4);
        self.entries.push((weight, last));
    }

    /// Numbers that wait.
    pub fn pending(&self) -> usize {
        self.entries.len()
    }

    /// The loss of each step since the last call.
    pub fn drain(&mut self, context: &Context) -> Result<Vec<f32>> {
        let count = self.entries.len().min(Self::CAPACITY);
        if count == 0 {
            return Ok(Vec::new());
        }
        let numbers: Vec<f32> =
            bytemuck::pod_collect_to_vec(&context.read(&self.buffer, 0, 4 * count as u64)?);
        let mut steps = Vec::new();
        let mut sum = 0.0;
        for ((weight, last), number) in self.entries.drain(..).zip(numbers) {
            sum += weight * number;
            if last {
                steps.push(std::mem::take(&mut sum));
            }
        }
        Ok(steps)
    }
}

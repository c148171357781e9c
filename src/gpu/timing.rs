//! GPU timestamps around single passes.

use super::Context;
use crate::Result;

/// GPU time of one pass.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PassTime {
    /// Label of the pass.
    pub label: String,
    /// Time in milliseconds.
    pub ms: f64,
}

/// Begin and end timestamps for up to `capacity` passes.
pub(crate) struct Timer {
    queries: wgpu::QuerySet,
    resolve: wgpu::Buffer,
    capacity: u32,
}

impl Timer {
    /// Passes that one query set can hold (WebGPU allows 4096 queries).
    pub const CAPACITY: u32 = 2048;

    pub fn new(context: &Context, passes: u32) -> Result<Self> {
        let capacity = passes.min(Self::CAPACITY);
        let queries = context.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("pass times"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * capacity,
        });
        let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
        let resolve = context.buffer("pass times", u64::from(capacity) * 16, usage)?;
        Ok(Self { queries, resolve, capacity })
    }

    pub fn writes(&self, pass: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * pass),
            end_of_pass_write_index: Some(2 * pass + 1),
        }
    }

    pub fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.queries, 0..2 * self.capacity, &self.resolve, 0);
    }

    /// Milliseconds of each pass, after the submission that resolved them.
    pub fn read(&self, context: &Context) -> Result<Vec<f64>> {
        let bytes = context.read(&self.resolve, 0, u64::from(self.capacity) * 16)?;
        let period = f64::from(context.queue.get_timestamp_period()) * 1e-6;
        let ticks: Vec<u64> =
            bytes.chunks_exact(8).map(|c| u64::from_le_bytes(c.try_into().unwrap_or_default())).collect();
        Ok(ticks.chunks_exact(2).map(|t| t[1].saturating_sub(t[0]) as f64 * period).collect())
    }
}

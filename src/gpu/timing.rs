//! Time on the device, pass by pass.

use std::time::Instant;

use super::{Context, kernel::Step};
use crate::Result;

/// Time of one pass.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PassTime {
    /// Label of the pass.
    pub label: String,
    /// Time in milliseconds.
    pub ms: f64,
}

/// Passes that one query set can hold (WebGPU allows 4096 queries).
const CAPACITY: usize = 2048;

/// Runs labelled groups of steps once in order, each group as one pass, after what `before` records, and
/// returns the milliseconds of each group.
///
/// Taken from timestamps around each pass; a device without them is timed by the clock, each group submitted
/// and waited for by itself, which adds the cost of a submission to each.
///
/// # Errors
/// What the device raises.
pub(crate) fn time(
    context: &Context,
    groups: &[(&[Step], &str)],
    before: impl FnOnce(&mut wgpu::CommandEncoder),
) -> Result<Vec<f64>> {
    let mut before = Some(before);
    let chunk = if context.tier.timestamps { CAPACITY } else { 1 };
    let mut times = Vec::with_capacity(groups.len());
    for chunk in groups.chunks(chunk) {
        let mut encoder = context.device.create_command_encoder(&Default::default());
        if let Some(before) = before.take() {
            before(&mut encoder);
        }
        times.extend(if context.tier.timestamps {
            by_timestamps(context, encoder, chunk)?
        } else {
            by_clock(context, encoder, chunk)?
        });
    }
    Ok(times)
}

fn by_timestamps(
    context: &Context,
    mut encoder: wgpu::CommandEncoder,
    groups: &[(&[Step], &str)],
) -> Result<Vec<f64>> {
    let count = groups.len() as u32;
    let queries = context.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("pass times"),
        ty: wgpu::QueryType::Timestamp,
        count: 2 * count,
    });
    let usage = wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC;
    let resolved = context.buffer("pass times", u64::from(count) * 16, usage)?;
    for ((steps, label), i) in groups.iter().zip(0..) {
        let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
            query_set: &queries,
            beginning_of_pass_write_index: Some(2 * i),
            end_of_pass_write_index: Some(2 * i + 1),
        });
        let descriptor = wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        steps.iter().for_each(|step| step.record(&mut pass));
    }
    encoder.resolve_query_set(&queries, 0..2 * count, &resolved, 0);
    context.queue.submit([encoder.finish()]);
    let bytes = context.read(&resolved, 0, u64::from(count) * 16)?;
    let period = f64::from(context.queue.get_timestamp_period()) * 1e-6;
    let (words, _) = bytes.as_chunks::<8>();
    let ticks: Vec<u64> = words.iter().map(|c| u64::from_le_bytes(*c)).collect();
    Ok(ticks.chunks_exact(2).map(|t| t[1].saturating_sub(t[0]) as f64 * period).collect())
}

fn by_clock(
    context: &Context,
    mut encoder: wgpu::CommandEncoder,
    groups: &[(&[Step], &str)],
) -> Result<Vec<f64>> {
    context.wait()?;
    for (steps, label) in groups {
        let descriptor = wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        steps.iter().for_each(|step| step.record(&mut pass));
    }
    let began = Instant::now();
    context.queue.submit([encoder.finish()]);
    context.wait()?;
    Ok(vec![began.elapsed().as_secs_f64() * 1e3 / groups.len().max(1) as f64; groups.len()])
}

//! Numbers to the device and back, through buffers of the host that are kept: the pages of a new one cost several times
//! what it takes to copy through them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Context;
use crate::{Error, Result};

/// Writes of fewer bytes are left to the queue, which packs them together.
const LEAST: u64 = 1 << 16;
/// What is larger is not kept.
const MOST: u64 = 1 << 26;

/// The buffers that are kept.
#[derive(Debug)]
pub(super) struct Transfers {
    up: Mutex<wgpu::util::StagingBelt>,
    down: Mutex<Option<wgpu::Buffer>>,
}

impl Transfers {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        Self { up: Mutex::new(wgpu::util::StagingBelt::new(device.clone(), LEAST)), down: Mutex::default() }
    }

    /// Keeps a buffer that was read from, unless a larger one is kept.
    fn keep(&self, buffer: wgpu::Buffer) {
        let mut kept = unlock(&self.down);
        if buffer.size() <= MOST && kept.as_ref().is_none_or(|kept| kept.size() < buffer.size()) {
            *kept = Some(buffer);
        }
    }
}

/// What a thread that panicked left behind is whole: nothing here is changed in steps.
pub(super) fn unlock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How large a buffer is made for `bytes`: sizes that differ a little share what is kept.
fn room(bytes: u64) -> u64 {
    if bytes <= MOST { bytes.next_power_of_two() } else { bytes }
}

impl Context {
    /// Sets `bytes` of a buffer from `offset`, both multiples of 4, to the parts that `fill` puts one after another, which must be
    /// as many bytes; does not wait. What is submitted later sees them.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no memory of the host to write through.
    pub(crate) fn write_with(
        &self,
        buffer: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
        fill: impl FnOnce(&mut dyn FnMut(&[u8])),
    ) -> Result<()> {
        if !(LEAST..=MOST).contains(&bytes) {
            let mut all = Vec::with_capacity(bytes as usize);
            fill(&mut |part| all.extend_from_slice(part));
            self.queue.write_buffer(buffer, offset, &all);
            return Ok(());
        }
        let mut belt = unlock(&self.transfers.up);
        let (rounded, any) = (wgpu::BufferSize::new(room(bytes)), wgpu::BufferSize::MIN);
        let slice = belt.allocate(rounded.unwrap_or(any), any);
        let (staging, start) = (slice.buffer().clone(), slice.offset());
        let filled = staging.get_mapped_range_mut(start..start + bytes).map(|mut view| {
            let mut at = 0;
            fill(&mut |part| {
                view.slice(at..at + part.len()).copy_from_slice(part);
                at += part.len();
            });
        });
        belt.finish();
        if filled.is_ok() {
            let mut encoder = self.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&staging, start, buffer, offset, bytes);
            self.queue.submit([encoder.finish()]);
        }
        belt.recall();
        filled.map_err(|e| Error::Device(format!("writing a buffer: {e}")))
    }

    /// Copies `bytes` from `offset` of a buffer back to the host, waiting for it.
    ///
    /// # Errors
    /// [`Error::Device`] if the copy or the mapping fails.
    pub fn read(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<u8>> {
        self.read_with(buffer, offset, bytes, <[u8]>::to_vec)
    }

    /// As [`Self::read`], without a copy of the bytes.
    pub(crate) fn read_with<T>(
        &self,
        buffer: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Result<T> {
        let kept = unlock(&self.transfers.down).take_if(|kept| kept.size() >= bytes);
        let staging = match kept {
            Some(kept) => kept,
            None => {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                self.buffer("read back", room(bytes), usage)?
            }
        };
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, ..bytes.max(4), move |result| {
            // The receiver is gone only if this call already failed.
            let _ = sender.send(result);
        });
        self.wait()?;
        let lost = |e: &dyn std::fmt::Display| Error::Device(format!("reading a buffer back: {e}"));
        receiver.recv().map_err(|e| lost(&e))?.map_err(|e| lost(&e))?;
        let view = staging.get_mapped_range(..bytes).map_err(|e| lost(&e))?;
        let taken = take(&view);
        drop(view);
        staging.unmap();
        self.transfers.keep(staging);
        Ok(taken)
    }
}

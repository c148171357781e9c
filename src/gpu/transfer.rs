//! Numbers to the device and back, through mapped buffers that are kept: the pages of a new one cost several times what it
//! takes to copy through them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Context;
use crate::{Error, Result};

/// Writes of fewer bytes are left to the queue, which packs them together.
const LEAST: u64 = 1 << 16;
/// What is larger goes through buffers that are not kept.
const MOST: u64 = 1 << 26;
/// Bytes that are kept in each direction.
const KEPT: u64 = 1 << 27;

/// Buffers that are kept, those of longest ago first.
#[derive(Debug, Default)]
struct Pool(Mutex<Vec<wgpu::Buffer>>);

impl Pool {
    /// The smallest that holds so many bytes.
    fn take(&self, bytes: u64) -> Option<wgpu::Buffer> {
        let mut all = unlock(&self.0);
        let fit = all.iter().enumerate().filter(|(_, buffer)| buffer.size() >= bytes);
        let (at, _) = fit.min_by_key(|(_, buffer)| buffer.size())?;
        Some(all.remove(at))
    }

    fn keep(&self, buffer: wgpu::Buffer) {
        let mut all = unlock(&self.0);
        all.push(buffer);
        while all.iter().map(wgpu::Buffer::size).sum::<u64>() > KEPT {
            all.remove(0);
        }
    }
}

/// What is kept: mapped for the host to write to, and not mapped.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    up: Arc<Pool>,
    down: Pool,
}

/// What a thread that panicked left behind is whole: nothing that is locked is changed in steps.
pub(super) fn unlock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Context {
    /// How large a buffer is made for `bytes`: sizes that differ a little share what is kept.
    fn room(&self, bytes: u64) -> u64 {
        let rounded = if bytes <= MOST { bytes.next_power_of_two().max(8) } else { bytes };
        rounded.min(self.limits.max_buffer_size).max(bytes)
    }

    /// Why a transfer failed: the device's reason where it gave one.
    fn failed(&self, what: &str, e: &dyn std::fmt::Display) -> Error {
        self.told().err().unwrap_or_else(|| Error::Device(format!("{what}: {e}")))
    }

    /// A new buffer, mapped for the host to write to.
    fn upload(&self, bytes: u64) -> Result<wgpu::Buffer> {
        let (usage, size) = (wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC, self.room(bytes));
        let descriptor =
            wgpu::BufferDescriptor { label: Some("write"), size, usage, mapped_at_creation: true };
        let (buffer, error) = self.scoped(|| self.device.create_buffer(&descriptor));
        match error {
            Some(message) => Err(Error::OutOfMemory(format!("writing {bytes} bytes: {message}"))),
            None => Ok(buffer),
        }
    }

    /// Sets `bytes` of a buffer from `offset`, both multiples of 4, to the parts that `fill` puts one after another, which must
    /// be as many bytes; does not wait. What is submitted later sees them.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] and [`Error::Device`] if there is no memory to write through.
    pub(crate) fn write_with(
        &self,
        buffer: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
        fill: impl FnOnce(&mut dyn FnMut(&[u8])),
    ) -> Result<()> {
        let Some(size) = wgpu::BufferSize::new(bytes) else { return Ok(()) };
        let mut at = 0;
        if !(LEAST..=MOST).contains(&bytes) {
            // None is for what the device will tell of itself.
            if let Some(mut view) = self.queue.write_buffer_with(buffer, offset, size) {
                fill(&mut |part| {
                    view.slice(at..at + part.len()).copy_from_slice(part);
                    at += part.len();
                });
            }
            return Ok(());
        }
        let staging = self.transfers.up.take(bytes).map_or_else(|| self.upload(bytes), Ok)?;
        {
            let mapped = staging.get_mapped_range_mut(..bytes);
            let mut view = mapped.map_err(|e| self.failed("writing a buffer", &e))?;
            fill(&mut |part| {
                view.slice(at..at + part.len()).copy_from_slice(part);
                at += part.len();
            });
        }
        staging.unmap();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&staging, 0, buffer, offset, bytes);
        self.queue.submit([encoder.finish()]);
        let (pool, kept) = (self.transfers.up.clone(), staging.clone());
        staging.map_async(wgpu::MapMode::Write, .., move |mapped| {
            if mapped.is_ok() {
                pool.keep(kept);
            }
        });
        Ok(())
    }

    /// Copies `bytes` from `offset` of a buffer, both multiples of 4, back to the host, waiting for it.
    ///
    /// # Errors
    /// [`Error::Device`] if the buffer is smaller, or the copy or the mapping fails.
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
        let lost = |e: &dyn std::fmt::Display| self.failed("reading a buffer back", e);
        // A copy that the device refuses would leave what was read last.
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= buffer.size());
        if !inside || !offset.is_multiple_of(4) || !bytes.is_multiple_of(4) {
            return Err(lost(&format!("{bytes} bytes from {offset} of {}", buffer.size())));
        }
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let new = || self.buffer("read back", self.room(bytes), usage);
        let staging = self.transfers.down.take(bytes).map_or_else(new, Ok)?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only if this call already failed.
            let _ = sender.send(result);
        });
        self.wait()?;
        receiver.recv().map_err(|e| lost(&e))?.map_err(|e| lost(&e))?;
        let taken = {
            let view = staging.get_mapped_range(..bytes).map_err(|e| lost(&e))?;
            take(&view)
        };
        staging.unmap();
        self.transfers.down.keep(staging);
        Ok(taken)
    }
}

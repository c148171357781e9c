//! Decoded samples kept in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sample::Sample;
use crate::Result;

/// Keeps samples until a byte limit is reached and none after that. Every epoch visits all samples in a new
/// order, so throwing out old ones for new ones would hit no more often.
pub(crate) struct Cache {
    limit: u64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    bytes: u64,
    samples: HashMap<usize, Arc<Sample>>,
}

impl Cache {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, held: Mutex::default() }
    }

    /// The sample of `item`, loaded where it is not held. Two threads may load the same one at once.
    pub(crate) fn get(&self, item: usize, load: impl FnOnce() -> Result<Sample>) -> Result<Arc<Sample>> {
        if let Some(sample) = self.lock().samples.get(&item) {
            return Ok(Arc::clone(sample));
        }
        let sample = Arc::new(load()?);
        let bytes = (size_of_val(&sample.picture.data[..]) + sample.mask.data.len()) as u64;
        let mut held = self.lock();
        if held.bytes.saturating_add(bytes) <= self.limit && !held.samples.contains_key(&item) {
            held.bytes += bytes;
            held.samples.insert(item, Arc::clone(&sample));
        }
        Ok(sample)
    }

    /// A thread that panicked with the lock held left at worst one sample uncounted.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::super::{Mask, Picture};
    use super::*;

    #[test]
    fn samples_are_kept_up_to_the_limit() {
        let loads = Cell::new(0);
        let load = || {
            loads.set(loads.get() + 1);
            let picture = Picture { width: 4, height: 1, channels: 1, data: vec![0.0; 4] };
            Ok(Sample { id: String::new(), picture, mask: Mask { width: 4, height: 1, data: vec![0; 4] } })
        };
        let cache = Cache::new(45);
        for item in [0, 1, 2, 0, 1, 2] {
            cache.get(item, load).unwrap();
        }
        assert_eq!(loads.get(), 4, "two of 20 bytes fit; the third is loaded each time");
        assert!(cache.get(9, || Err(crate::Error::Config("x".into()))).is_err());
        assert!(cache.get(9, load).is_ok(), "a failure is not remembered");
    }
}

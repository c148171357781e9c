//! Volumes kept in memory, for their slices are asked for one at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::read::Volume;
use crate::{Error, Result};

/// Bytes that are kept; the volume used last is kept in any case.
const MOST_BYTES: usize = 1 << 30;

/// The volumes used last, the latest at the end.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

struct Kept {
    path: PathBuf,
    /// Length and time of the file that was read.
    stamp: (u64, Option<SystemTime>),
    bytes: usize,
    /// Locked while it is read, that others wait for it and do not read it too.
    volume: Arc<Mutex<Option<Arc<Volume>>>>,
}

/// The volume of a file, read where it is not kept or the file has changed.
pub(super) fn volume(path: &Path) -> Result<Arc<Volume>> {
    let about = path.metadata().map_err(Error::io(path))?;
    let stamp = (about.len(), about.modified().ok());
    let place = place(path, stamp);
    let mut held = lock(&place);
    if let Some(volume) = &*held {
        return Ok(Arc::clone(volume));
    }
    let volume = Arc::new(Volume::read(path)?);
    *held = Some(Arc::clone(&volume));
    count(path, volume.bytes());
    Ok(volume)
}

/// The place of a file among those kept, which becomes the latest.
fn place(path: &Path, stamp: (u64, Option<SystemTime>)) -> Arc<Mutex<Option<Arc<Volume>>>> {
    let mut all = lock(&KEPT);
    let old = all.iter().position(|kept| kept.path == path).map(|i| all.remove(i));
    let kept = old.filter(|kept| kept.stamp == stamp).unwrap_or_else(|| Kept {
        path: path.to_owned(),
        stamp,
        bytes: 0,
        volume: Arc::default(),
    });
    let volume = Arc::clone(&kept.volume);
    all.push(kept);
    volume
}

/// Notes the size of what was read, and lets go of the oldest.
fn count(path: &Path, bytes: usize) {
    let mut all = lock(&KEPT);
    all.iter_mut().filter(|kept| kept.path == path).for_each(|kept| kept.bytes = bytes);
    while all.len() > 1 && all.iter().map(|kept| kept.bytes).sum::<usize>() > MOST_BYTES {
        all.remove(0);
    }
}

/// A thread that panicked with the lock held left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

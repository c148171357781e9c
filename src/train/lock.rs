//! One process a run folder.

use std::{fs::File, io::ErrorKind, path::Path};

use fs4::fs_std::FileExt;

use crate::{Error, Result};

/// Keeps other processes from training in a run folder, until it is dropped or its process ends.
#[derive(Debug)]
pub(super) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the folder, which must be there. A file system that knows no locks is trusted.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process has it, [`Error::Io`] where it cannot be written to.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(".lock");
        let file = File::create(&path).map_err(Error::io(&path))?;
        match file.try_lock_exclusive() {
            Ok(false) => Err(Error::Busy(folder.into())),
            Err(error) if error.kind() != ErrorKind::Unsupported => Err(Error::io(path)(error)),
            Ok(true) | Err(_) => Ok(Self { _file: file }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let lock = RunLock::take(folder.path()).unwrap();
        assert!(matches!(RunLock::take(folder.path()), Err(Error::Busy(_))));
        drop(lock);
        RunLock::take(folder.path()).unwrap();
        assert!(matches!(RunLock::take(&folder.path().join("none")), Err(Error::Io { .. })));
    }
}

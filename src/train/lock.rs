//! One process a run folder.

use std::{fs::OpenOptions, path::Path};

use fs4::fs_std::FileExt;

use crate::{Error, Result};

/// The file that is locked. It stays: to remove it would let two processes lock two files of one name.
pub(super) const FILE: &str = ".gyre.lock";

/// Keeps other processes from training in a run folder, until it is dropped or its process ends.
#[derive(Debug)]
pub(super) struct RunLock {
    _file: std::fs::File,
}

impl RunLock {
    /// Takes the folder, which must be there. A file system that has no locks is trusted.
    ///
    /// # Errors
    /// [`Error::Busy`] while another process has it, [`Error::Io`] where it cannot be written to.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(Error::io(path))?;
        match file.try_lock_exclusive() {
            Ok(false) => return Err(Error::Busy(folder.into())),
            Ok(true) => {}
            Err(why) => eprintln!(
                "warning: {} cannot be locked ({why}): train there with one process at a time",
                folder.display()
            ),
        }
        Ok(Self { _file: file })
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

//! Replacing a file in one step: readers see the old file or the new one, never half of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// How many names are tried for the temporary file before giving up.
const NAMES: u32 = 1000;

/// Replaces the file at `path` by `bytes`, atomically and durably.
///
/// The bytes go to a temporary file in the same folder, are flushed to the disk, and the file is then
/// renamed. A symbolic link is followed, so that the file it names is replaced and not the link. What is no
/// file (a pipe, `/dev/null`) is not replaced: it gets the bytes as they come.
///
/// # Errors
/// [`Error::Io`] naming `path` where any of this fails (a full disk, a missing folder); what was at `path` is
/// then still there, whole, and the temporary file is gone.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// Like [`write_atomic`], with the contents written by `fill`, so that a large file need not be in memory as
/// a whole.
///
/// # Errors
/// As [`write_atomic`]; an error of `fill` is handled like one of the disk.
pub fn write_atomic_with(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, fill).map_err(Error::io(path))
}

fn replace(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let mut writer = BufWriter::new(OpenOptions::new().write(true).open(path)?);
        return fill(&mut writer).and_then(|()| writer.flush());
    }
    let target = if path.is_symlink() { fs::canonicalize(path)? } else { path.to_path_buf() };
    let (temporary, file) = create_beside(&target)?;
    let done = fill_and_sync(file, fill).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = done {
        // The first error is the one to report; a temporary file that cannot be removed changes nothing about
        // it.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_folder(folder_of(&target))
}

/// A new file in the folder of `target`. `create_new` keeps two writers apart without a name that must be
/// unique.
fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    let Some(name) = target.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    };
    for attempt in 0..NAMES {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".tmp{attempt}"));
        let temporary = folder_of(target).join(hidden);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!("{NAMES} temporary files named .{}.tmp* lie beside it: remove them", name.display()),
    ))
}

/// Removes the temporary files that killed writes to `path` left beside it. No write may be under way.
///
/// # Errors
/// [`Error::Io`] naming what cannot be listed or removed.
pub fn remove_leftovers(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let folder = folder_of(path);
    let Some(name) = path.file_name() else { return Ok(()) };
    let prefix = format!(".{}.tmp", name.display());
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let found = entry.map_err(Error::io(folder))?.file_name();
        let number = found.to_str().and_then(|found| found.strip_prefix(&prefix));
        if number.is_some_and(|n| n.parse::<u32>().is_ok()) {
            let leftover = folder.join(found);
            fs::remove_file(&leftover).map_err(Error::io(leftover))?;
        }
    }
    Ok(())
}

/// Takes the file by value: it must be closed before the rename, which Windows refuses otherwise.
fn fill_and_sync(file: File, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::new(file);
    if let Err(error) = fill(&mut writer) {
        // Dropping the writer would try to write the rest of its buffer to a file that is about to be
        // removed.
        let _ = writer.into_parts();
        return Err(error);
    }
    writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the rename itself durable. Some file systems know no such thing for folders, which is not a failure.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        // A folder may be writable and searchable without being readable.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomic(&path, b"first, and longer").unwrap();
        write_atomic(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        write_atomic(&path, b"old").unwrap();
        let error = write_atomic_with(&path, |file| {
            file.write_all(&[7; 100_000])?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err();
        assert!(error.to_string().contains("a.bin"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }

    #[test]
    fn a_failed_rename_removes_the_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"x").unwrap();
        assert!(matches!(write_atomic(&path, b"new"), Err(Error::Io { path: p, .. }) if p == path));
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn a_missing_folder_is_named_and_a_stale_temporary_file_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such/file");
        assert!(write_atomic(&missing, b"x").unwrap_err().to_string().contains("no/such/file"));
        fs::write(folder.path().join(".b.tmp0"), b"left by a killed process").unwrap();
        write_atomic(folder.path().join("b"), b"x").unwrap();
        assert_eq!(names(folder.path()), [".b.tmp0", "b"]);
        fs::write(folder.path().join(".b.tmpl"), b"another's").unwrap();
        remove_leftovers(folder.path().join("b")).unwrap();
        assert_eq!(names(folder.path()), [".b.tmpl", "b"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_keeps_pointing_at_the_replaced_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write_atomic(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }
    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_to_and_stays() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_atomic(&pipe, b"passing through").unwrap();
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), b"passing through");
        assert_eq!(names(folder.path()), ["pipe"]);
    }
}

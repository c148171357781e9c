//! The command in a folder of its own.
// Each file of tests uses a part of it.
#![allow(dead_code)]

pub mod pth;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// A run that takes a second: a tiny U-Net on 24 shapes, four batches an epoch. `train.out` is taken from the
/// working folder, so that runs of several folders have one config.
pub const TINY: &str = r#"
[model]
name = "unet"
widths = [4, 8]
in_channels = 1
[data]
kind = "shapes"
size = 32
channels = 1
shapes_count = 24
[optim]
lr = 1e-2
[train]
epochs = 3
batch = 4
out = "run"
"#;

/// A temporary folder with [`TINY`] as `tiny.toml`.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    folder
}

/// The command, working in `folder`.
pub fn gyre(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gyre"));
    // What is tuned stays in the folder.
    command.current_dir(folder).env("GYRE_CACHE", folder.join("cache")).args(args);
    command
}

/// Runs the command to its end.
pub fn run(folder: &Path, args: &[&str]) -> Output {
    gyre(folder, args).output().unwrap()
}

/// As [`run`], and it must succeed.
pub fn succeed(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// All files of a folder, hidden ones too, but for what only keeps other processes out.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries
        .filter(|p| p.is_file() && !p.ends_with(".gyre.lock"))
        .map(|p| (name(&p), std::fs::read(&p).unwrap()))
        .collect()
}

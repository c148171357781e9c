//! What is in the folder of a run, and what may become of it.

use std::{fs, path::Path};

use super::{RunOptions, checkpoint, clock, config::Config, curriculum, events::EVENTS};
use crate::{Error, Result, io::atomic::remove_leftovers};

/// What a run folder holds. The config is the last to go when a run is overwritten.
pub(super) const FILES: [&str; 17] = [
    "last.safetensors",
    "best.safetensors",
    "int8.safetensors",
    "int8.md",
    "int8.json",
    "scores.json",
    "scores.csv",
    "report.html",
    "metrics.csv",
    "metrics.jsonl",
    EVENTS,
    "kernels.json",
    curriculum::RANKING,
    curriculum::SHEET,
    curriculum::WEIGHTS,
    clock::FILE,
    "config.toml",
];

/// Keys that may change when a run is resumed: how long, where, and what is kept.
const CHANGEABLE: [&str; 9] = [
    "train.epochs",
    "train.max_steps",
    "train.out",
    "train.checkpoint_every",
    "train.eval_every",
    "train.patience",
    "train.recompute",
    "data.root",
    "data.cache_mb",
];

/// Refuses to touch a run that is there, unless told to.
pub(super) fn refuse_taken(folder: &Path, options: &RunOptions) -> Result<()> {
    let taken = FILES.iter().any(|name| folder.join(name).exists());
    if taken && !options.resume && !options.overwrite {
        return Err(Error::Config(format!(
            "{} holds a run already; give another train.out, or --resume, or --overwrite",
            folder.display()
        )));
    }
    Ok(())
}

/// Whether the folder's config is `config`, but for what may change.
pub(super) fn is_of(folder: &Path, config: &Config) -> bool {
    let path = folder.join("config.toml");
    let text = fs::read_to_string(&path).unwrap_or_default();
    Config::from_toml(&text, &[]).is_ok_and(|old| refuse_another(&old, config, &path).is_ok())
}

/// A run goes on as what it began; another one needs a folder of its own.
pub(super) fn refuse_another(begun: &Config, config: &Config, last: &Path) -> Result<()> {
    let mut keys = begun.differences(config)?;
    keys.retain(|key| !CHANGEABLE.contains(&key.as_str()));
    if keys.is_empty() {
        return Ok(());
    }
    Err(Error::Config(format!(
        "{} belongs to a run with another {}; set it back, or start a new run with --init and another train.out",
        last.display(),
        keys.join(", ")
    )))
}

/// Removes what killed writes left in the run folder and, to overwrite, the old run.
pub(super) fn clear(folder: &Path, options: &RunOptions) -> Result<()> {
    for path in FILES.iter().map(|name| folder.join(name)) {
        remove_leftovers(&path)?;
    }
    checkpoint::remove_half_snapshots(folder)?;
    if options.overwrite && !options.resume {
        let known = FILES.iter().map(|name| folder.join(name)).filter(|path| path.exists());
        let all = checkpoint::snapshots(folder)?.into_iter().chain(known);
        all.into_iter().try_for_each(|path| fs::remove_file(&path).map_err(Error::io(path)))?;
    }
    Ok(())
}

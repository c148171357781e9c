//! `gyre import`: weights of other programs as safetensors with the names that gyre's models have.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::say;
use crate::{
    Error, Result,
    io::{
        names::{self, Renamed},
        torch,
        weights::{self, TensorMap},
    },
};

/// How many entries that are no tensors are named.
const LISTED: usize = 8;

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// A PyTorch checkpoint (.pth, .pt, .bin), or safetensors.
    file: PathBuf,
    /// File to write, in safetensors.
    #[arg(short, long, value_name = "FILE", required_unless_present = "list")]
    out: Option<PathBuf>,
    /// Prints the names and shapes that would be written, and writes nothing.
    #[arg(long)]
    list: bool,
    /// How tensors are renamed.
    #[arg(long, value_enum, default_value = "auto")]
    names: Naming,
    /// Where the state dict is in the checkpoint, its keys joined by `/`; without it, it is looked for.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Replaces a file that is in the way.
    #[arg(long)]
    overwrite: bool,
}

/// Mappings of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Naming {
    /// By what the names are.
    Auto,
    /// None: names stay.
    Keep,
    /// From the EfficientNet-PyTorch family (`_blocks.3._bn1`) to timm's below `encoder.` (`encoder.blocks.2.0.bn2`).
    EfficientnetPytorch,
}

/// Imports weights.
///
/// # Errors
/// [`Error::Weights`] for a file that cannot be read, or whose names are not of the family that was asked for;
/// [`Error::Config`] for a file that is in the way.
pub fn import(args: &ImportArgs) -> Result<u8> {
    if let Some(out) = args.out.as_ref().filter(|out| out.exists() && !args.overwrite && !args.list) {
        let message = format!("{} is there already; give another -o, or --overwrite", out.display());
        return Err(Error::Config(message));
    }
    let (mut tensors, mut notes) = read(args)?;
    let counters = drop_counters(&mut tensors);
    if counters > 0 {
        notes.push(format!("dropped {counters} num_batches_tracked (batch counters of PyTorch)"));
    }
    let Renamed { tensors, renamed } = rename(tensors, args.names).map_err(|m| refuse(&args.file, m))?;
    let numbers: usize = tensors.values().map(|tensor| tensor.data.len()).sum();
    if args.list {
        tensors.iter().for_each(|(name, tensor)| say!("{name} {:?}", tensor.shape));
    } else {
        for (old, new, count) in names::by_module(&renamed) {
            say!("{old} -> {new} ({count})");
        }
    }
    notes.iter().for_each(|note| say!("{note}"));
    match &args.out {
        Some(out) if !args.list => {
            weights::write(out, &tensors, &origin(&args.file))?;
            let renamed = renamed.len();
            say!("{} tensors, {numbers} numbers, {renamed} renamed, in {}", tensors.len(), out.display());
        }
        _ => say!("{} tensors, {numbers} numbers", tensors.len()),
    }
    Ok(0)
}

/// The tensors, and what is to be said of them.
fn read(args: &ImportArgs) -> Result<(TensorMap, Vec<String>)> {
    if !torch::is_torch(&args.file)? {
        if args.key.is_some() {
            return Err(refuse(&args.file, "has no keys to choose from; leave --key out".to_owned()));
        }
        return Ok((weights::read(&args.file)?.0, Vec::new()));
    }
    let checkpoint = torch::read(&args.file, args.key.as_deref())?;
    let mut notes = Vec::new();
    if !checkpoint.key.is_empty() {
        notes.push(format!("state dict taken from {:?}", checkpoint.key));
    }
    let others = &checkpoint.others;
    if !others.is_empty() {
        let more = if others.len() > LISTED { ", ..." } else { "" };
        let shown = others[..others.len().min(LISTED)].join(", ");
        notes.push(format!("dropped {} entries that are no tensors: {shown}{more}", others.len()));
    }
    Ok((checkpoint.tensors, notes))
}

/// Counters of batches are of no use to a model; returns how many there were.
fn drop_counters(tensors: &mut TensorMap) -> usize {
    let before = tensors.len();
    tensors.retain(|name, _| !name.ends_with("num_batches_tracked"));
    before - tensors.len()
}

fn rename(tensors: TensorMap, naming: Naming) -> std::result::Result<Renamed, String> {
    let rename = match naming {
        Naming::Keep => false,
        Naming::EfficientnetPytorch => true,
        Naming::Auto => names::is_efficientnet_pytorch(&tensors),
    };
    if rename {
        return names::from_efficientnet_pytorch(tensors);
    }
    Ok(Renamed { tensors, renamed: Vec::new() })
}

/// What the written file says of itself.
fn origin(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    serde_json::json!({ "imported_from": name }).to_string()
}

fn refuse(file: &Path, message: String) -> Error {
    Error::Weights { path: file.to_path_buf(), message }
}

//! `gyre export`: a trained model's weights in a smaller type.

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use super::{
    ConfigFile,
    compress::{Candidate, CompareArgs, spare},
};
use crate::{
    Error, Result,
    gpu::Context,
    train::{Setup, kept, predictor, save_half, weight_map},
};

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Weights to export; without it the run folder's best, or last.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// File to write, in safetensors, weights and statistics in half; tensors with numbers beyond its range stay in
    /// f32. The report lies beside it, as .md and .json.
    #[arg(long, value_name = "FILE")]
    f16: PathBuf,
    /// Replaces a file that is in the way.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    compare: CompareArgs,
}

/// Exports and compares.
///
/// # Errors
/// [`Error::Config`] for a file that is in the way; what config, weights, data or device raise.
pub fn export(context: &Arc<Context>, args: &ExportArgs) -> Result<u8> {
    let config = args.file.load()?;
    let setup = Setup::new(&config)?;
    if args.f16.exists() && !args.overwrite {
        let message = format!("{} is there already; give another --f16, or --overwrite", args.f16.display());
        return Err(Error::Config(message));
    }
    let file = args.weights.clone().map_or_else(|| kept(&config.train.out), Ok)?;
    spare(&file, &args.f16)?;
    let data = setup.open_data(&config)?;
    args.compare.check(&data)?;
    let model = predictor(context, &setup, &file)?;
    if model.is_quantized() {
        let message = "is quantized to integers, which half would not make smaller".to_owned();
        return Err(Error::Weights { path: file, message });
    }
    save_half(&weight_map(model.weights())?, &args.f16)?;
    let candidates = [("f32", file), ("f16", args.f16.clone())].map(|(name, file)| Candidate {
        name: name.to_owned(),
        setup: &setup,
        file,
        zeros: None,
    });
    let report = args.compare.compare(context, &config, &data, &candidates)?;
    args.compare.tell(&report, &args.f16)?;
    Ok(0)
}

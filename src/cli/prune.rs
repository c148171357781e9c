//! `gyre prune`: a trained model with fewer channels, or with weights set to zero.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};

use super::{
    ConfigFile,
    compress::{Candidate, CompareArgs},
    say,
};
use crate::{
    Error, Result,
    gpu::Context,
    graph::Exported,
    io::{
        atomic::write_atomic,
        weights::{self, Tensor, TensorMap},
    },
    models::prune::{Importance, magnitude, narrowed},
    train::{
        Setup,
        config::{Config, OrderName},
        kept, predictor,
    },
};

#[derive(Debug, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    how: How,
    /// By what channels are judged.
    #[arg(long, value_enum, default_value = "l1")]
    by: By,
    /// With --weights-share: of each layer by itself, instead of all layers together.
    #[arg(long, requires = "weights_share")]
    by_layer: bool,
    /// Weights to prune; without it the run folder's best, or last.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Folder to make: the config, with train.init set for fine-tuning and without a curriculum, and best.safetensors. The report
    /// lies there as prune.md and prune.json.
    #[arg(short, long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    compare: CompareArgs,
}

/// What is pruned.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct How {
    /// Cuts this share of the channels of every level out, 0 to 1: a narrower network.
    #[arg(long, value_name = "SHARE")]
    channels: Option<f64>,
    /// Cuts channels out so that these widths are left (model.widths).
    #[arg(long, value_name = "WIDTHS", value_delimiter = ',')]
    widths: Option<Vec<usize>>,
    /// Sets this share of the weights to zero, those with the least magnitudes; the network keeps its shape. Training does not keep
    /// zeros: prune last.
    #[arg(long, value_name = "SHARE")]
    weights_share: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Sum of the magnitudes of a filter.
    L1,
    /// Magnitude of the scale in batch norm.
    Bn,
}

impl How {
    /// The widths that are left, where channels are cut out.
    fn widths(&self, old: &[usize]) -> Result<Option<Vec<usize>>> {
        match (self.channels, &self.widths) {
            (Some(share), _) if !(0.0..1.0).contains(&share) => {
                Err(Error::Config(format!("--channels must be at least 0 and below 1, got {share}")))
            }
            (Some(share), _) => {
                let left = |w: &usize| ((*w as f64 * (1.0 - share)).round() as usize).max(1);
                Ok(Some(old.iter().map(left).collect()))
            }
            (None, widths) => Ok(widths.clone()),
        }
    }
}

/// Prunes and compares.
///
/// # Errors
/// [`Error::Config`] for a folder that holds something; what config, weights, data or device raise.
pub fn prune(context: &Arc<Context>, args: &PruneArgs) -> Result<u8> {
    let config = args.file.load()?;
    let setup = Setup::new(&config)?;
    refuse_taken(&args.out)?;
    let data = setup.open_data(&config)?;
    args.compare.check(&data)?;
    let file = args.weights.clone().map_or_else(|| kept(&config.train.out), Ok)?;
    let model = predictor(context, &setup, &file)?;
    if model.is_quantized() {
        let message = "is quantized to integers; prune the model that it was made of".to_owned();
        return Err(Error::Weights { path: file, message });
    }
    let mut weights = model.weights().export()?;
    let mut pruned = config.clone();
    let mut zeros = None;
    if let Some(widths) = args.how.widths(&setup.model.widths)? {
        let by = if args.by == By::Bn { Importance::BatchNorm } else { Importance::L1 };
        let (narrow, cut) = narrowed(&setup.model, widths, &weights, by)?;
        (pruned.model.widths, weights) = (narrow.widths, cut);
    } else if let Some(share) = args.how.weights_share {
        zeros = Some(magnitude(&mut weights, share, args.by_layer)?);
    }
    let made = args.out.join("best.safetensors");
    pruned.train.out.clone_from(&args.out);
    pruned.train.init.clone_from(&made);
    // It goes on from its own weights, on all pictures.
    pruned.curriculum.order = OrderName::None;
    pruned.curriculum.initialise = false;
    let pruned_setup = Setup::new(&pruned)?;
    save(&args.out, &pruned, weights, &file)?;
    let name = if zeros.is_some() { "pruned weights" } else { "pruned channels" };
    let candidates = [
        Candidate { name: "before".to_owned(), setup: &setup, file, zeros: None },
        Candidate { name: name.to_owned(), setup: &pruned_setup, file: made, zeros },
    ];
    let report = args.compare.compare(context, &config, &data, &candidates)?;
    args.compare.tell(&report, &args.out.join("prune"))?;
    let out = args.out.display();
    // Training would fill zeros again.
    if !args.compare.json() && zeros.is_none() {
        say!(
            "fine-tune it: gyre train {out} --set train.out=FOLDER --set train.epochs=N --set optim.lr=RATE"
        );
    }
    Ok(0)
}

/// A folder that holds anything is left alone.
fn refuse_taken(folder: &Path) -> Result<()> {
    let holds = folder.is_file() || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if holds {
        return Err(Error::Config(format!("{} is there already; give another --out", folder.display())));
    }
    Ok(())
}

fn save(folder: &Path, config: &Config, weights: Vec<Exported>, from_file: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let map: TensorMap =
        weights.into_iter().map(|(name, shape, data)| (name, Tensor { shape, data })).collect();
    let said = serde_json::json!({ "pruned_from": from_file.to_string_lossy() }).to_string();
    weights::write(folder.join("best.safetensors"), &map, &said)?;
    write_atomic(folder.join("config.toml"), config.to_toml()?.as_bytes())
}

//! `gyre train`, `gyre eval`, `gyre config`.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};

use super::{ConfigFile, Precision, predict::LooksArgs, say, tune::Kernels};
use crate::{
    Error, Result,
    data::Split,
    gpu::Context,
    io::atomic::write_atomic,
    metrics::{Summary, Values},
    train::{
        self, Data, Evaluation, Folds, Outcome, RunOptions, Setup, Shown,
        config::{Config, presets},
        trained,
    },
};

#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Config file to resolve; without one, all defaults.
    config: Option<PathBuf>,
    /// Overrides a key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Explains every key: type, default, meaning.
    #[arg(long)]
    explain: bool,
    /// Lists the presets.
    #[arg(long)]
    presets: bool,
    /// Begins with the keys of a preset.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
}

/// Prints keys or a resolved config.
///
/// # Errors
/// [`Error::Config`] naming the offending key.
pub fn config(args: &ConfigArgs) -> Result<u8> {
    if args.explain {
        for key in Config::explain() {
            say!("{} = {}\n    {}\n    {}", key.key, key.default, key.kind, key.doc);
        }
        return Ok(0);
    }
    if args.presets {
        presets::ALL.iter().for_each(|p| say!("{}: {}", p.name, p.about));
        return Ok(0);
    }
    let config = match (&args.config, &args.preset) {
        (None, None) => Config::from_toml("", &args.set)?,
        (config, preset) => {
            let (config, preset) = (config.clone(), preset.clone());
            ConfigFile { config, preset, set: args.set.clone() }.load()?
        }
    };
    say!("{}", config.to_toml()?.trim_end());
    Ok(0)
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Goes on from the run folder's last checkpoint.
    #[arg(long, conflicts_with = "overwrite")]
    resume: bool,
    /// Replaces a run that is there.
    #[arg(long)]
    overwrite: bool,
    /// Starts from these weights (safetensors with PyTorch's names; `gyre import` makes them of a .pth).
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Trains every fold of data.folds, one after another, in fold0, fold1 and on below train.out; then tells the mean of
    /// their scores. `gyre predict` with that folder averages over all folds.
    #[arg(long)]
    folds: bool,
    /// Shows no progress bar.
    #[arg(long)]
    quiet: bool,
}

/// Trains.
///
/// # Errors
/// What the run meets.
pub fn train(context: &Arc<Context>, kernels: &Kernels, args: &TrainArgs) -> Result<u8> {
    let config = args.file.load()?;
    // A resumed run goes on with the kernels of its checkpoint; of several folds some may not have begun.
    if !args.resume || args.folds {
        kernels.before_training(context, &config)?;
    }
    let options = RunOptions {
        resume: args.resume,
        overwrite: args.overwrite,
        init: args.init.clone(),
        quiet: args.quiet,
    };
    if args.folds {
        let done = |fold: usize, outcome: &Outcome| {
            say!("fold {} of {}", fold + 1, config.data.folds);
            print_scores(&outcome.scores);
        };
        print_folds(&train::run_folds(context, &config, &options, done)?);
        say!("{}", config.train.out.join("folds.csv").display());
        return Ok(0);
    }
    let outcome = train::run(context, &config, &options)?;
    print_scores(&outcome.scores);
    say!(
        "{} steps in {:.0} s; {}",
        outcome.steps,
        outcome.seconds,
        config.train.out.join("report.html").display()
    );
    Ok(0)
}

fn print_folds(folds: &Folds) {
    let show = |v: Option<f64>| v.map_or(format!("{:>10}", "--"), |v| format!("{v:>10.4}"));
    say!("{:10}{}", "", train::SCORES.map(|name| format!("{name:>10}")).concat());
    for (name, _, scores) in folds.rows() {
        say!("{name:10}{}", scores.map(show).concat());
    }
}

/// A part of the data.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Part {
    Train,
    Val,
    Test,
    /// Everything.
    All,
}

impl Part {
    /// Its pictures of a split.
    pub fn in_split(self, split: &Split) -> Vec<usize> {
        match self {
            Self::Train => split.train.clone(),
            Self::Val => split.val.clone(),
            Self::Test => split.test.clone(),
            Self::All => [&split.train[..], &split.val, &split.test].concat(),
        }
    }

    /// The numbers of its pictures.
    ///
    /// # Errors
    /// [`Error::Config`] if there are none.
    pub fn of(self, data: &Data) -> Result<Vec<usize>> {
        let items = match self {
            Self::All => (0..data.dataset.len()).collect(),
            part => part.in_split(&data.split),
        };
        if items.is_empty() {
            return Err(Error::Config(format!("the split has no {self:?} pictures").to_lowercase()));
        }
        Ok(items)
    }
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Weights to score; without it the run folder's snapshots, best, or last. Given several times the models' probabilities are
    /// averaged.
    #[arg(long, value_name = "FILE")]
    weights: Vec<PathBuf>,
    /// Which part of the data.
    #[arg(long, value_enum, default_value = "test")]
    split: Part,
    /// How activations are stored.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    #[command(flatten)]
    looks: LooksArgs,
    /// Also writes the scores of each picture to this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Scores a model.
///
/// # Errors
/// What config, weights or data raise.
pub fn eval(context: &Arc<Context>, args: &EvalArgs) -> Result<u8> {
    let config = args.file.load()?;
    let setup = Setup::new(&config)?;
    let data = setup.open_data(&config)?;
    if args.weights.is_empty() && !matches!(args.split, Part::Test) && train::is_cross_validation(&config) {
        let message =
            "models of the other folds have learnt from those pictures; evaluate a fold, as run/fold0";
        return Err(Error::Config(message.into()));
    }
    let predictors = trained(context, &setup, &config, &args.weights)?;
    let items = args.split.of(&data)?;
    let mixed = args.precision == Precision::Mixed;
    let predictors = predictors.into_iter().map(|p| p.mixed(mixed)).collect();
    let (config, setup, dataset) = (&config, &setup, &*data.dataset);
    let looks = args.looks.read()?;
    let evaluation = Evaluation { config, setup, dataset, shown: Shown::default(), looks, thorough: true };
    let evaluated = evaluation.of(predictors, &items)?;
    if let Some(path) = &args.csv {
        write_atomic(path, evaluated.csv().as_bytes())?;
    }
    let summary = evaluated.summary;
    if args.json {
        super::print_json(&summary)?;
    } else {
        print_scores(&summary);
    }
    Ok(0)
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    #[command(flatten)]
    file: ConfigFile,
}

/// Remakes a report.
///
/// # Errors
/// Where the run has not ended, and what its data or the device raise.
pub fn report(context: &Arc<Context>, args: &ReportArgs) -> Result<u8> {
    let config = args.file.load()?;
    print_scores(&train::remake(context, &config)?);
    say!("{}", config.train.out.join("report.html").display());
    Ok(0)
}

fn print_scores(summary: &Summary) {
    let show = |v: Option<f64>| v.map_or("  --  ".into(), |v| format!("{v:.4}"));
    say!("{} pictures        Dice    IoU     precision recall  accuracy", summary.images);
    let line = |name: &str, v: &Values, accuracy: Option<f64>| {
        let (dice, iou, precision, recall) = (show(v.dice), show(v.iou), show(v.precision), show(v.recall));
        say!("{name:18} {dice}  {iou}  {precision}    {recall}  {}", show(accuracy));
    };
    for (name, s) in [("pooled", &summary.pooled), ("mean of pictures", &summary.per_image_mean)] {
        line(name, &s.macro_foreground, s.accuracy);
    }
    let pooled = &summary.pooled;
    say!("kappa {}  balanced accuracy {}", show(pooled.kappa), show(pooled.balanced_accuracy));
    say!(
        "area under the ROC curve {} (of the masks, auc_binary, it is the balanced accuracy)",
        show(summary.auc)
    );
    if let Some(s) = &summary.surface {
        let (hausdorff, hd95) = (show(s.hausdorff), show(s.hd95));
        say!("Hausdorff distance {hausdorff}, 95 % {hd95} (or, pooled, {}) pixels", show(s.hd95_pooled));
    }
}

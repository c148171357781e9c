//! `gyre two-stage`: two trained runs as the stages of one.

use std::{fs, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use super::{
    Precision,
    predict::{Product, Wanted, gather, map_all, spare_pictures},
    run::Part,
    say,
};
use crate::{
    Error, Result,
    gpu::Context,
    train::{
        config::Config,
        two_stage::{Stages, TwoStageConfig, TwoStageScores, score},
        volumes,
    },
};

#[derive(Debug, Subcommand)]
pub enum TwoStageCommand {
    /// Scores stage 1, both stages and a baseline, and counts their operations and time.
    Eval(EvalArgs),
    /// Predicts masks of pictures, at their own size.
    Predict(PredictArgs),
}

/// Which runs, and how they share the work.
#[derive(Debug, Args)]
pub struct StagesArgs {
    /// TOML file with the keys stage1, stage2, baseline (run folders), factor, grid, patches, doubt (mean, reference,
    /// threshold), map (probabilities, logits), overlap and blend; all but the first two may be left out.
    config: Option<PathBuf>,
    /// Run folder of the network that sees whole pictures made small.
    #[arg(long, value_name = "RUN")]
    stage1: Option<String>,
    /// Run folder of the network that sees patches.
    #[arg(long, value_name = "RUN")]
    stage2: Option<String>,
    /// Patches along a side (8).
    #[arg(long)]
    grid: Option<usize>,
    /// How many patches are refined; as many as lie along a column where it is not given, and with doubt=threshold all that are unsure
    /// enough.
    #[arg(long)]
    patches: Option<usize>,
    /// Sets any key of the file, such as `--set overlap=16`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// How activations are stored.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
}

impl StagesArgs {
    fn read(&self, more: Option<String>) -> Result<TwoStageConfig> {
        let text = match &self.config {
            Some(path) => fs::read_to_string(path).map_err(Error::io(path))?,
            None => String::new(),
        };
        // Folders are quoted, whatever their names look like.
        let folder = |key: &str, path: &Option<String>| path.as_ref().map(|path| quoted(key, path));
        let number = |key: &str, n: Option<usize>| n.map(|n| format!("{key}={n}"));
        let flags = [
            folder("stage1", &self.stage1),
            folder("stage2", &self.stage2),
            number("grid", self.grid),
            number("patches", self.patches),
            more,
        ];
        let all: Vec<String> = self.set.iter().cloned().chain(flags.into_iter().flatten()).collect();
        TwoStageConfig::from_toml(&text, &all)
    }
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    #[command(flatten)]
    stages: StagesArgs,
    /// Run folder of a network that sees whole pictures, to compare with.
    #[arg(long, value_name = "RUN")]
    baseline: Option<String>,
    /// Which part of the data of stage 2.
    #[arg(long, value_enum, default_value = "test")]
    split: Part,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct PredictArgs {
    #[command(flatten)]
    stages: StagesArgs,
    /// Pictures, folders of pictures, or folders of folders <id>/images.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pictures: Vec<PathBuf>,
    /// Folder for the masks, `<name>.png`.
    #[arg(long)]
    out: PathBuf,
    /// What is written of each picture.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "mask")]
    write: Vec<Product>,
    /// Replaces files that are in the way.
    #[arg(long)]
    overwrite: bool,
}

/// Runs the command.
///
/// # Errors
/// What runs, pictures or device raise.
pub fn two_stage(context: &Arc<Context>, command: &TwoStageCommand) -> Result<u8> {
    match command {
        TwoStageCommand::Eval(args) => eval(context, args),
        TwoStageCommand::Predict(args) => predict(context, args),
    }
}

/// A key with a text as TOML.
fn quoted(key: &str, text: &str) -> String {
    format!("{key}={}", toml::Value::String(text.to_owned()))
}

fn eval(context: &Arc<Context>, args: &EvalArgs) -> Result<u8> {
    let baseline = args.baseline.as_ref().map(|run| quoted("baseline", run));
    let config = args.stages.read(baseline)?;
    let mixed = args.stages.precision == Precision::Mixed;
    let scores = score(context, &config, |split| args.split.in_split(split), mixed)?;
    if args.json {
        super::print_json(&scores)?;
    } else {
        print(&scores);
    }
    Ok(0)
}

fn print(scores: &TwoStageScores) {
    let TwoStageScores { size: [h, w], cells: [rows, cols], patches, window: [wh, ww], ways, .. } = scores;
    let images = ways.first().map_or(0, |way| way.scores.images);
    say!("{images} pictures of {h}x{w}, {patches} of {rows}x{cols} patches refined, seen at {wh}x{ww}");
    say!("              Dice    mean of pictures  GFLOP      of the baseline's  ms a picture  times as fast");
    let show = |v: Option<f64>| v.map_or("  --  ".into(), |v| format!("{v:.4}"));
    let baseline = ways.iter().find(|way| way.name == "baseline");
    for way in ways {
        let dice = [&way.scores.pooled, &way.scores.per_image_mean].map(|s| show(s.macro_foreground.dice));
        let part = baseline.map_or("--".into(), |b| format!("{:.4}", way.flops as f64 / b.flops as f64));
        let speed = baseline.map_or("--".into(), |b| format!("{:.2}", b.ms / way.ms));
        let gflop = way.flops as f64 * 1e-9;
        say!(
            "{:12}  {}  {:16}  {gflop:<9.3}  {part:17}  {:<12.1}  {speed}",
            way.name,
            dice[0],
            dice[1],
            way.ms
        );
    }
}

fn predict(context: &Arc<Context>, args: &PredictArgs) -> Result<u8> {
    let stages = Stages::open(&args.stages.read(None)?)?;
    let config: &Config = stages.config();
    let options = volumes(&config.data);
    let pictures = gather(&args.pictures, &options)?;
    let channels = stages.model.stage1.out_channels;
    spare_pictures(&pictures, (&args.out, &args.write), channels, &options, args.overwrite)?;
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out))?;
    let mixed = args.stages.precision == Precision::Mixed;
    let mut mapper = stages.mapper(context, stages.model.patches, mixed)?;
    let bar = ProgressBar::new(pictures.len() as u64);
    let threshold = config.train.threshold as f32;
    let wanted = Wanted { config, out: &args.out, products: &args.write, threshold };
    map_all(&mut mapper, &wanted, &pictures, &bar)
}

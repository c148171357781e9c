//! The `gyre` command: parse, call, report.

mod augment;
mod bench;
mod claims;
mod compress;
mod curriculum;
mod data;
mod descend;
mod doctor;
mod experiment;
mod export;
mod import;
mod info;
mod plan;
mod predict;
mod prune;
mod quantize;
mod run;
mod shapes;
mod tune;
mod two_stage;

use std::{
    cell::OnceCell,
    fmt,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    Error, Result,
    gpu::Select,
    train::config::{Config, presets},
};

/// Trains and runs 2-D image-segmentation networks on any GPU.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// Adapter: its number, or a part of its name (also GYRE_ADAPTER); see `gyre info`.
    #[arg(long, global = true)]
    adapter: Option<String>,
    #[command(flatten)]
    kernels: tune::Kernels,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists adapters, their tiers and limits.
    Info(info::InfoArgs),
    /// Checks every kernel on this adapter against its CPU twin, or runs reference cases.
    Doctor(doctor::DoctorArgs),
    /// Prints what a model will take, before anything is allocated.
    Plan(plan::PlanArgs),
    /// Measures this device's ceilings, every kernel and whole steps against them; or a shader of yours.
    Bench(bench::BenchArgs),
    /// Times the forms of every kernel that a config's model needs, and keeps the fastest.
    Tune(tune::TuneArgs),
    /// Explains every config key, or prints a resolved config.
    Config(run::ConfigArgs),
    /// Looks at a data set: what it holds, and what is wrong with it.
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Shows what augmentation makes of training pictures.
    Augment(augment::AugmentArgs),
    /// Ranks training pictures from the easiest to the hardest.
    Curriculum(curriculum::CurriculumArgs),
    /// Trains a model.
    Train(run::TrainArgs),
    /// Scores a trained model on a part of its data.
    Eval(run::EvalArgs),
    /// Predicts masks of pictures, at their own size.
    Predict(predict::PredictArgs),
    /// Makes a trained model's convolutions compute in integers of eight bits, and compares it with what it was.
    Quantize(quantize::QuantizeArgs),
    /// Cuts channels out of a trained model, or sets weights to zero, and compares it with what it was.
    Prune(prune::PruneArgs),
    /// Writes a trained model's weights in half, and compares it with what it was.
    Export(export::ExportArgs),
    /// Two trained runs as one: the first sees pictures made small, the second the patches of which the first is least sure.
    #[command(subcommand)]
    TwoStage(two_stage::TwoStageCommand),
    /// Shows how beliefs descend an energy: as a film, as a curve, and the component graph.
    Descend(descend::DescendArgs),
    /// Writes the report of a run anew, from its log and its best weights.
    Report(run::ReportArgs),
    /// Makes safetensors of a PyTorch checkpoint.
    Import(import::ImportArgs),
    /// Runs an experiment, a grid of configs and seeds, and sums it up in tables and figures.
    Experiment(experiment::ExperimentArgs),
    /// Writes generated pictures with their masks to a folder: shapes, polygons, or synthetic angiograms.
    Shapes(shapes::ShapesArgs),
}

/// How activations are stored where nothing is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Precision {
    /// In f32.
    F32,
    /// In half; the device must have f16 in shaders.
    Mixed,
}

/// A config file with overrides.
#[derive(Debug, Args)]
struct ConfigFile {
    /// Config file (TOML), or a run folder.
    #[arg(required_unless_present = "preset")]
    config: Option<PathBuf>,
    /// Begins with the keys of a preset; a config file then changes some of them. See `gyre config --presets`.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Overrides a key, such as `--set train.epochs=20`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ConfigFile {
    fn load(&self) -> Result<Config> {
        let preset = self.preset.as_deref().map(presets::text).transpose()?;
        let Some(given) = &self.config else {
            return Config::from_toml(preset.unwrap_or_default(), &self.set);
        };
        let path = if given.is_dir() { given.join("config.toml") } else { given.clone() };
        let mut config = match preset {
            Some(preset) => {
                let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
                Config::from_layers(&[preset, &text], &self.set)?
            }
            None => Config::load(&path, &self.set)?,
        };
        // A run folder may have been moved since its config was written.
        if given.is_dir() && !self.set.iter().any(|s| s.starts_with("train.out")) {
            config.train.out.clone_from(given);
        }
        Ok(config)
    }
}

/// Runs the command line; returns the exit status.
///
/// # Errors
/// Whatever the command meets.
pub fn main(cli: Cli) -> Result<u8> {
    let select = Select::parse(cli.adapter.as_deref());
    let kernels = cli.kernels;
    let opened = OnceCell::new();
    let context = || -> Result<_> {
        let context = kernels.open(&select)?;
        Ok(opened.get_or_init(|| context).clone())
    };
    let status = match cli.command {
        Command::Info(args) => info::info(&args),
        Command::Doctor(args) => doctor::doctor(&select, &args),
        Command::Plan(args) => plan::plan(&context()?, &args),
        Command::Bench(args) => bench::bench(context, &kernels, &args),
        Command::Tune(args) => tune::tune(&context()?, &args),
        Command::Config(args) => run::config(&args),
        Command::Data(command) => data::data(&command),
        Command::Augment(args) => augment::augment(&context()?, &args),
        Command::Curriculum(args) => curriculum::curriculum(&context()?, &args),
        Command::Train(args) => run::train(&context()?, &kernels, &args),
        Command::Eval(args) => run::eval(&context()?, &args),
        Command::Predict(args) => predict::predict(&context()?, &args),
        Command::Quantize(args) => quantize::quantize(&context()?, &args),
        Command::Prune(args) => prune::prune(&context()?, &args),
        Command::Export(args) => export::export(&context()?, &args),
        Command::TwoStage(command) => two_stage::two_stage(&context()?, &command),
        Command::Descend(args) => descend::descend(&context()?, &args),
        Command::Report(args) => run::report(&context()?, &args),
        Command::Import(args) => import::import(&args),
        Command::Experiment(args) => experiment::experiment(context, &kernels, &args),
        Command::Shapes(args) => shapes::shapes(context, &args),
    };
    if let Some(context) = opened.get() {
        tune::keep_pipelines(context);
    }
    status
}

/// As `println!`, but a reader that went away ends the program instead of breaking it.
macro_rules! say {
    ($($text:tt)*) => { $crate::cli::print_line(format_args!($($text)*)) };
}
use say;

fn print_line(text: fmt::Arguments<'_>) {
    if writeln!(io::stdout(), "{text}").is_err() {
        std::process::exit(1);
    }
}

/// Prints a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| crate::Error::Check(e.to_string()))?;
    say!("{text}");
    Ok(())
}

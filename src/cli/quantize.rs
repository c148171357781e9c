//! `gyre quantize`: a trained model with its convolutions in integers of eight bits.

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use super::{
    ConfigFile,
    compress::{Candidate, CompareArgs, spare},
    run::Part,
    say,
};
use crate::{
    Error, Result,
    data::{Loader, LoaderOptions},
    gpu::Context,
    graph::{Graph, Operator, Shape, Weights},
    infer::{Observer, Quantization, Range, predictor},
    io::weights::Tensor,
    ops::{Conv2d, ConvTranspose2d},
    train::{Data, Setup, config::Config, kept, load_weights, save_quantized},
};

#[derive(Debug, Args)]
pub struct QuantizeArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Weights to quantize; without it the run folder's best, or last.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// File to write; without it `int8.safetensors` in the run folder. The report lies beside it, as .md and .json.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replaces a file that is in the way.
    #[arg(long)]
    overwrite: bool,
    /// Part of the data whose pictures the ranges of activations are taken from.
    #[arg(long, value_enum, default_value = "train")]
    calibrate: Part,
    /// How many pictures or tiles of it.
    #[arg(long, default_value_t = 64)]
    pictures: usize,
    /// Percent of a tensor's numbers that a range holds, from both ends, as the mean over pictures; without it a range
    /// goes from the least to the largest number of all pictures.
    #[arg(long, value_name = "PERCENT")]
    percentile: Option<f64>,
    /// Leaves convolutions whose names begin so in f32; may be repeated.
    #[arg(long, value_name = "NAME")]
    skip: Vec<String>,
    #[command(flatten)]
    compare: CompareArgs,
}

/// Quantizes and compares.
///
/// # Errors
/// [`Error::Config`] for a file that is in the way; what config, weights, data or device raise.
pub fn quantize(context: &Arc<Context>, args: &QuantizeArgs) -> Result<u8> {
    let config = args.file.load()?;
    let setup = Setup::new(&config)?;
    let out = args.out.clone().unwrap_or_else(|| config.train.out.join("int8.safetensors"));
    if out.exists() && !args.overwrite {
        let message = format!("{} is there already; give another -o, or --overwrite", out.display());
        return Err(Error::Config(message));
    }
    let weights_file = args.weights.clone().map_or_else(|| kept(&config.train.out), Ok)?;
    spare(&weights_file, &out)?;
    let data = setup.open_data(&config)?;
    args.compare.check(&data)?;
    let shape = Shape::new(1, setup.size[0], setup.size[1], setup.model.in_channels);
    let graph = predictor::graph(&setup.model, shape)?.0;
    let weights = Arc::new(Weights::new(context, &graph, 0)?);
    load_weights(&weights, &weights_file)?;
    let quantization = observe(args, &config, &setup, &data, &weights)?;
    let numbers = quantization.numbers(&graph, weights.export()?)?;
    let map = numbers.into_iter().map(|(name, shape, data)| (name, Tensor { shape, data })).collect();
    save_quantized(&map, &quantization, &out)?;
    let all = convolutions(&graph);
    if !args.compare.json() {
        say!("{} of {} convolutions in int8, in {}", quantization.ranges.len(), all, out.display());
    }
    let candidates = [("f32", weights_file), ("int8", out.clone())].map(|(name, file)| Candidate {
        name: name.to_owned(),
        setup: &setup,
        file,
        zeros: None,
    });
    let report = args.compare.compare(context, &config, &data, &candidates)?;
    args.compare.tell(&report, &out)?;
    Ok(0)
}

/// Takes the ranges of activations from pictures as training sees them, but unflipped and unchanged.
fn observe(
    args: &QuantizeArgs,
    config: &Config,
    setup: &Setup,
    data: &Data,
    weights: &Arc<Weights>,
) -> Result<Quantization> {
    let range = args.percentile.map_or(Range::MinMax, Range::Percentile);
    let mut observer = Observer::new(&setup.model, weights, setup.size, range, &args.skip)?;
    let crops = setup.fit.crops(&*data.dataset, &args.calibrate.of(data)?)?;
    let options = LoaderOptions {
        normalise: setup.normalise.clone(),
        noise: setup.noise,
        seed: config.train.seed,
        shuffle: true,
        ..LoaderOptions::new(1, setup.fit)
    };
    for batch in Loader::new(data.dataset.clone(), crops, options)?.epoch(0).take(args.pictures) {
        observer.look(&batch?.x)?;
    }
    observer.quantization()
}

/// Convolutions of a graph, transposed ones too.
fn convolutions(graph: &Graph) -> usize {
    let is_one = |op: &dyn Operator| op.is::<Conv2d>().is_some() || op.is::<ConvTranspose2d>().is_some();
    graph.nodes.iter().filter(|node| is_one(&*node.op)).count()
}

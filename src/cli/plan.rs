//! `gyre plan`: what a model takes, before anything is allocated.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use clap::Args;
use serde::Serialize;

use super::{ConfigFile, say};
use crate::{
    Error, Result,
    gpu::{Context, expand},
    graph::{Graph, Plan, Session, Shape, Summary, Weights},
    infer::predictor,
    metrics::Times,
    train::{Setup, training_graph},
};

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Plans prediction instead of a training step.
    #[arg(long)]
    inference: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Also runs it and prints the GPU time of each kernel.
    #[arg(long)]
    time: bool,
    /// Writes the expanded WGSL of every kernel of the plan to this folder.
    #[arg(long, value_name = "FOLDER")]
    dump_shaders: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What the config or the model's shapes raise.
pub fn plan(context: &Arc<Context>, args: &PlanArgs) -> Result<u8> {
    let config = args.file.load()?;
    let setup = Setup::new(&config)?;
    let n = if args.inference {
        config.train.batch
    } else {
        config.train.batch.div_ceil(config.train.micro_batches)
    };
    let shape = Shape::new(n, setup.size[0], setup.size[1], setup.model.in_channels);
    let graph = match args.inference {
        true => predictor::graph(&setup.model, shape)?.0,
        false => training_graph(&setup.model, &setup.loss, shape, setup.step)?.graph,
    };
    let plan = Plan::new(&graph, context)?;
    if let Some(folder) = &args.dump_shaders {
        dump(&plan, folder)?;
    }
    let moments = if args.inference { &[][..] } else { setup.optim.method.moments() };
    let mut whole = Whole::new(plan.summary(), moments);
    if !args.json {
        print(&whole, &plan, args.inference, shape);
    }
    if args.time {
        let times = time(context, &graph, plan)?;
        if !args.json {
            print_times(&times);
        }
        whole.kernel_ms = Some(times);
    }
    if args.json {
        super::print_json(&whole)?;
    }
    Ok(0)
}

/// A plan's summary with what lies beside the plan.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    plan: Summary,
    /// Moments of the optimiser.
    optimizer_bytes: u64,
    /// Peak of the plan and the optimiser together.
    total_bytes: u64,
    /// With `--time`: milliseconds of each kernel, all its passes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_ms: Option<BTreeMap<&'static str, f64>>,
}

impl Whole {
    fn new(plan: &Summary, moments: &[&str]) -> Self {
        let optimizer_bytes = moments.len() as u64 * plan.gradient_bytes;
        let total_bytes = plan.peak_bytes + optimizer_bytes;
        Self { plan: plan.clone(), optimizer_bytes, total_bytes, kernel_ms: None }
    }
}

fn print(whole: &Whole, plan: &Plan, inference: bool, shape: Shape) {
    let s = &whole.plan;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    say!("{} of pictures {shape}", if inference { "prediction" } else { "training step" });
    say!("  parameters         {}", s.parameters);
    say!("  operators          {}", s.ops);
    say!("  dispatches         {} in {} submission(s)", s.dispatches, s.submissions);
    say!("  arithmetic         {:.3} GFLOP", s.flops as f64 * 1e-9);
    say!("  traffic            {:.1} MiB", mib(s.traffic_bytes));
    say!(
        "  memory: parameters {:.1} MiB, gradients {:.1} MiB, the optimiser's moments {:.1} MiB",
        mib(s.parameter_bytes),
        mib(s.gradient_bytes),
        mib(whole.optimizer_bytes)
    );
    say!(
        "  memory: activations and workspaces {:.1} MiB in {} buffers (lower bound {:.1} MiB)",
        mib(s.activation_bytes),
        plan.memory.slots.len(),
        mib(s.activation_lower_bound)
    );
    say!("  memory: peak       {:.1} MiB", mib(whole.total_bytes));
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    plan.passes.iter().for_each(|p| *count.entry(p.dispatch.variant.file).or_default() += 1);
    let kernels: Vec<String> = count.into_iter().map(|(k, n)| format!("{n} {k}")).collect();
    say!("  kernels            {}", kernels.join(", "));
}

/// The median over five runs of the milliseconds that each kernel takes, all its passes together.
fn time(context: &Arc<Context>, graph: &Graph, plan: Plan) -> Result<BTreeMap<&'static str, f64>> {
    let files: Vec<&'static str> = plan.passes.iter().map(|p| p.dispatch.variant.file).collect();
    let session = Session::new(plan, &Arc::new(Weights::new(context, graph, 0)?))?;
    session.profile()?;
    let mut runs: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for run in 0..5 {
        for (file, pass) in files.iter().zip(session.profile()?) {
            let times = runs.entry(*file).or_default();
            times.resize(run + 1, 0.0);
            times[run] += pass.ms;
        }
    }
    Ok(runs.into_iter().map(|(file, times)| (file, Times::of(times).median)).collect())
}

fn print_times(times: &BTreeMap<&'static str, f64>) {
    let mut longest_first: Vec<_> = times.iter().collect();
    longest_first.sort_by(|a, b| b.1.total_cmp(a.1));
    say!("GPU time, median of 5 runs");
    for (file, ms) in longest_first {
        say!("  {ms:10.3} ms  {file}");
    }
    say!("  {:10.3} ms  together", times.values().sum::<f64>());
}

fn dump(plan: &Plan, folder: &PathBuf) -> Result<()> {
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    for pass in &plan.passes {
        let variant = &pass.dispatch.variant;
        let name: String =
            variant.label().chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' }).collect();
        let path = folder.join(format!("{}.wgsl", name.trim_end_matches('-')));
        if !path.exists() {
            fs::write(&path, expand(variant)?.wgsl).map_err(Error::io(path))?;
        }
    }
    Ok(())
}

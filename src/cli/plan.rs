//! `gyre plan`: what a model takes, before anything is allocated.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;

use super::ConfigFile;
use crate::{
    Error, Result,
    gpu::{Context, expand},
    graph::{Plan, Shape, Summary},
    infer::predictor,
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
    /// Writes the expanded WGSL of every kernel of the plan to this folder.
    #[arg(long, value_name = "FOLDER")]
    dump_shaders: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// What the config or the model's shapes raise.
pub fn plan(context: &Context, args: &PlanArgs) -> Result<u8> {
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
        false => training_graph(&setup.model, &setup.loss, shape)?.graph,
    };
    let plan = Plan::new(&graph, context)?;
    if let Some(folder) = &args.dump_shaders {
        dump(&plan, folder)?;
    }
    if args.json {
        super::print_json(plan.summary())?;
    } else {
        print(plan.summary(), &plan, args.inference, shape);
    }
    Ok(0)
}

fn print(s: &Summary, plan: &Plan, inference: bool, shape: Shape) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("{} of pictures {shape}", if inference { "prediction" } else { "training step" });
    println!("  parameters         {}", s.parameters);
    println!("  operators          {}", s.ops);
    println!("  dispatches         {} in {} submission(s)", s.dispatches, s.submissions);
    println!("  arithmetic         {:.3} GFLOP", s.flops as f64 * 1e-9);
    println!("  traffic            {:.1} MiB", mib(s.traffic_bytes));
    println!(
        "  memory: parameters {:.1} MiB, gradients {:.1} MiB",
        mib(s.parameter_bytes),
        mib(s.gradient_bytes)
    );
    println!(
        "  memory: activations and workspaces {:.1} MiB in {} buffers (lower bound {:.1} MiB)",
        mib(s.activation_bytes),
        plan.memory.slots.len(),
        mib(s.activation_lower_bound)
    );
    println!("  memory: peak       {:.1} MiB, the optimiser's moments beside it", mib(s.peak_bytes));
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    plan.passes.iter().for_each(|p| *count.entry(p.dispatch.variant.file).or_default() += 1);
    let kernels: Vec<String> = count.into_iter().map(|(k, n)| format!("{n} {k}")).collect();
    println!("  kernels            {}", kernels.join(", "));
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

//! `gyre bench`: ceilings of the device, kernels and whole steps against them, and a user's own shader.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use super::{Precision, say, tune::Kernels};
use crate::{
    Error, Result,
    bench::{self, Custom, Options, Report},
    gpu::Context,
    graph::Graph,
    io::atomic::write_atomic,
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    /// Measures only what has one of these parts in its group or name.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Runs that each median is of.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How whole steps store activations; both may be asked for. Kernels are measured in f32.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32")]
    precision: Vec<Precision>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Also writes the report as JSON, for `gyre bench compare`.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Also writes the kernels as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Also draws the roofline as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    shader: ShaderArgs,
}

/// A shader of the user's; what is not given is taken from a TOML file of its name beside it.
#[derive(Debug, Args)]
struct ShaderArgs {
    /// Times the kernel of a WGSL file instead, beside the device's ceilings.
    #[arg(long, value_name = "FILE.wgsl", conflicts_with_all = ["only", "precision"])]
    shader: Option<PathBuf>,
    /// Entry point, where the file has several.
    #[arg(long, requires = "shader")]
    entry: Option<String>,
    /// Workgroups along x, y, z.
    #[arg(long, requires = "shader", value_delimiter = ',')]
    groups: Vec<u32>,
    /// Bytes of each buffer of group 0, in the order of their bindings.
    #[arg(long, requires = "shader", value_delimiter = ',')]
    buffers: Vec<u64>,
    /// Floating-point operations of a run.
    #[arg(long, requires = "shader")]
    flops: Option<u64>,
    /// Bytes that a run moves; without it those of all buffers.
    #[arg(long, requires = "shader")]
    bytes: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Sets two saved reports side by side.
    Compare {
        /// Written by --save.
        a: PathBuf,
        /// Written by --save.
        b: PathBuf,
    },
}

/// Runs the command; `context` opens the adapter where one is needed.
///
/// # Errors
/// What device, files or the user's shader raise.
pub fn bench(
    context: impl FnOnce() -> Result<Arc<Context>>,
    kernels: &Kernels,
    args: &BenchArgs,
) -> Result<u8> {
    if let Some(BenchCommand::Compare { a, b }) = &args.command {
        say!("{}", bench::compare(&load(a)?, &load(b)?).trim_end());
        return Ok(0);
    }
    let context = context()?;
    let report = match &args.shader.shader {
        Some(path) => custom(&context, path, args)?,
        None => ours(&context, kernels, args)?,
    };
    if args.json {
        super::print_json(&report)?;
    } else {
        say!("{}", text(&report).trim_end());
    }
    if let Some(path) = &args.save {
        let json = serde_json::to_vec_pretty(&report).map_err(|e| Error::Check(e.to_string()))?;
        write_atomic(path, &json)?;
    }
    if let Some(path) = &args.csv {
        write_atomic(path, csv(&report).as_bytes())?;
    }
    if let Some(path) = &args.plot {
        write_atomic(path, bench::roofline(&report)?.as_bytes())?;
    }
    Ok(0)
}

/// Kernels and steps of gyre.
fn ours(context: &Arc<Context>, kernels: &Kernels, args: &BenchArgs) -> Result<Report> {
    let bar = ProgressBar::new_spinner();
    let mixed = args.precision.iter().map(|p| *p == Precision::Mixed).collect();
    let options = Options { runs: args.runs as usize, only: args.only.clone(), mixed };
    let prepare = |graph: &Graph| kernels.tune(context, std::slice::from_ref(graph));
    let report = bench::run(context, &options, prepare, |what| {
        bar.set_message(what.to_string());
        bar.tick();
    })?;
    bar.finish_and_clear();
    Ok(report)
}

fn load(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|e| Error::data(path, format!("is no saved report: {e}")))
}

/// A shader of the user's.
fn custom(context: &Context, path: &Path, args: &BenchArgs) -> Result<Report> {
    let source = fs::read_to_string(path).map_err(Error::io(path))?;
    let beside = path.with_extension("toml");
    let mut settings = if beside.is_file() { Custom::load(&beside)? } else { Custom::default() };
    let given = &args.shader;
    settings.entry = given.entry.clone().or(settings.entry);
    settings.flops = given.flops.unwrap_or(settings.flops);
    settings.bytes = given.bytes.or(settings.bytes);
    if !given.groups.is_empty() {
        settings.groups.clone_from(&given.groups);
    }
    if !given.buffers.is_empty() {
        settings.buffers.clone_from(&given.buffers);
    }
    settings.measure(context, path, &source, args.runs as usize)
}

fn text(report: &Report) -> String {
    let mut out = format!("{} ({}, {})\n", report.adapter, report.backend, report.driver);
    // Writing to a string cannot fail.
    let c = &report.ceilings;
    let _ = writeln!(out, "ceilings");
    let _ = writeln!(out, "  f32 matrix product   {:9.1} GFLOP/s  ({})", c.matmul, c.matmul_tile);
    let _ = writeln!(out, "  f32 multiply-adds    {:9.1} GFLOP/s  (registers only)", c.fma);
    if let Some(rate) = c.fma_half {
        let _ = writeln!(out, "  f16 multiply-adds    {rate:9.1} GFLOP/s  (registers only)");
    }
    if let Some(rate) = c.matrix_units {
        let _ = writeln!(out, "  f16 matrix units     {rate:9.1} GFLOP/s  (registers only)");
    }
    let _ = writeln!(out, "  8-bit dot products   {:9.1} GOP/s    (registers only)", c.int8);
    for copy in &c.copy {
        let _ =
            writeln!(out, "  copy of {:6.1} MiB   {:9.2} GB/s", copy.bytes as f64 / 1048576.0, copy.gbytes);
    }
    if !report.kernels.is_empty() {
        let _ = writeln!(out, "kernels: median ms, spread, GFLOP/s, GB/s, part of the ceiling that binds");
    }
    for r in &report.kernels {
        let _ = writeln!(
            out,
            "{:10.3} {:4.0}% {:8.2} {:8.2} {:5.0}% of {:10}  {} {}, {}{}",
            r.times.median,
            100.0 * r.times.spread(),
            r.gflops,
            r.gbytes,
            100.0 * r.of_ceiling,
            r.bound,
            r.group,
            r.name,
            r.pass,
            if r.form.is_empty() { String::new() } else { format!(": {}", r.form) }
        );
    }
    if !report.steps.is_empty() {
        let _ =
            writeln!(out, "whole steps: wall ms, device ms, convolutions' part, GFLOP/s, dispatches, MiB");
    }
    for s in &report.steps {
        let _ = writeln!(
            out,
            "{:10.2} {:10.2} {:4.0}% {:8.2} {:5} {:8.1}  {}",
            s.wall.median,
            s.device.median,
            100.0 * s.convolutions,
            s.wall.rate(s.flops),
            s.dispatches,
            s.peak_bytes as f64 / 1048576.0,
            s.name
        );
    }
    out
}

fn csv(report: &Report) -> String {
    let mut out = String::from(
        "group,name,pass,form,dispatches,median_ms,least_ms,most_ms,flops,bytes,gflops,gbytes,bound,of_ceiling\n",
    );
    for r in &report.kernels {
        let t = &r.times;
        let _ = writeln!(
            out,
            "{},{},{},\"{}\",{},{},{},{},{},{},{},{},{},{}",
            r.group,
            r.name,
            r.pass,
            r.form,
            r.dispatches,
            t.median,
            t.least,
            t.most,
            r.flops,
            r.bytes,
            r.gflops,
            r.gbytes,
            r.bound,
            r.of_ceiling
        );
    }
    out
}

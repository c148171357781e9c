//! `gyre doctor`: is this adapter and its driver to be trusted?

mod cases;
mod energy;
mod graphs;
mod metrics;
mod models;
mod ops;
mod training;

use std::{collections::BTreeSet, fmt::Write, path::PathBuf, sync::Arc};

use clap::Args;
use serde::Serialize;

use self::cases::{Case, CaseFile, Judge, Worst};
use super::{info::Device, say};
use crate::{
    Error, Result,
    gpu::{Context, Select},
    infer,
    io::atomic::write_atomic,
    loss,
    ops::{
        check::{Distance, check_overflow},
        samples,
    },
    optim,
};

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Runs the cases of reference files instead of the built-in ones.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    cases: Vec<PathBuf>,
    /// Runs only cases of these names.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// A case that cannot be run is a failure.
    #[arg(long)]
    no_skip: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Writes what one would attach to a bug report.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Holds the device to WebGPU's default limits and features.
    #[arg(long)]
    portable: bool,
    /// Compiles shaders with bounds checks.
    #[arg(long)]
    checked: bool,
}

/// What became of one case.
#[derive(Clone, Debug, Serialize)]
struct Verdict {
    file: String,
    id: String,
    kind: String,
    name: String,
    ok: Option<bool>,
    skipped: bool,
    reason: String,
    worst: Option<Worst>,
}

/// What became of all.
#[derive(Debug, Serialize)]
struct Findings {
    adapter: Device,
    passed: usize,
    failed: usize,
    skipped: usize,
    cases: Vec<Verdict>,
}

/// Runs the command; status 1 if a case fails, compares nothing, or may not be skipped.
///
/// # Errors
/// [`Error::NoAdapter`], and files that are no reference files.
pub fn doctor(select: &Select, args: &DoctorArgs) -> Result<u8> {
    let context = if args.portable { Context::portable(select)? } else { Context::new(select)? };
    let context = Arc::new(context.with_checks(args.checked));
    let cases = if args.cases.is_empty() { built_in(&context, args) } else { reference(&context, args)? };
    let missing = args.only.iter().find(|name| !cases.iter().any(|c| c.name == **name));
    if let Some(name) = missing {
        return Err(Error::Check(format!("--only {name}: no case has that name")));
    }
    let count = |ok| cases.iter().filter(|c| c.ok == ok).count();
    let (passed, failed, skipped) = (count(Some(true)), count(Some(false)), count(None));
    let findings = Findings { adapter: Device::new(&context), passed, failed, skipped, cases };
    if findings.cases.is_empty() {
        return Err(Error::Check("there is no case to run".into()));
    }
    if args.json {
        super::print_json(&findings)?;
    } else {
        say!("{}", text(&findings, false).trim_end());
    }
    if let Some(path) = &args.report {
        write_atomic(path, report(&context, &findings).as_bytes())?;
    }
    Ok(u8::from(failed > 0 || (args.no_skip && skipped > 0)))
}

/// Every operator and loss on awkward shapes, against its CPU twin and finite differences, with storage in
/// half too where the device knows it; every optimiser and the kernels of textures against twins of their own.
fn built_in(context: &Arc<Context>, args: &DoctorArgs) -> Vec<Verdict> {
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|n| n == name);
    let mut verdicts = Vec::new();
    for sample in samples::samples().iter().chain(&loss::samples::samples()).filter(|s| wanted(s.op.name())) {
        let mut run = |kind: &str, rtol: f64, result: Result<Distance>| {
            verdicts.push(verdict(kind, sample.op.name(), &sample.label, rtol, result));
        };
        run("kernel", sample.rtol, sample.check_forward(context));
        if sample.has_gradient() {
            run("gradient", sample.rtol, sample.check_gradient(context));
        }
        if context.tier.f16 {
            let half = sample.halved();
            run("half", half.rtol, half.check(context));
        }
    }
    if context.tier.f16 && wanted("overflow") {
        let result = check_overflow(context).map(|()| Distance::default());
        verdicts.push(verdict("half", "overflow", "becomes infinite", 0.0, result));
    }
    for spec in optim::check::samples().into_iter().filter(|s| wanted(s.method.name())) {
        let label = format!("{spec:?}");
        verdicts.push(verdict(
            "optimiser",
            spec.method.name(),
            &label,
            1e-5,
            optim::check::check(context, spec),
        ));
    }
    for sample in infer::check::samples().into_iter().filter(|s| wanted(s.name())) {
        let label = format!("{sample:?}");
        verdicts.push(verdict("kernel", sample.name(), &label, 1e-4, sample.check(context)));
    }
    verdicts
}

fn verdict(kind: &str, name: &str, id: &str, rtol: f64, result: Result<Distance>) -> Verdict {
    let (ok, reason, worst) = match result {
        Ok(Distance { max_abs, ratio }) => {
            let tensor = "all outputs; atol is relative to the largest number".to_string();
            (true, String::new(), Some(Worst { tensor, max_abs, ratio, rtol, atol: 0.2 * rtol }))
        }
        Err(e) => (false, e.to_string(), None),
    };
    let (file, skipped) = (String::new(), false);
    Verdict {
        file,
        id: id.into(),
        kind: kind.into(),
        name: name.into(),
        ok: Some(ok),
        skipped,
        reason,
        worst,
    }
}

fn reference(context: &Arc<Context>, args: &DoctorArgs) -> Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for path in &args.cases {
        let file = CaseFile::read(path)?;
        let wanted = |c: &&Case| args.only.is_empty() || args.only.contains(&c.name);
        verdicts.extend(file.cases.iter().filter(wanted).map(|case| judge(context, &file, case)));
    }
    Ok(verdicts)
}

fn judge(context: &Arc<Context>, file: &CaseFile, case: &Case) -> Verdict {
    let mut judge = Judge::new(file, case);
    let ran = match case.kind.as_str() {
        "op" => ops::run(context, file, case, &mut judge),
        "model" => models::run(context, file, case, &mut judge),
        "energy" => energy::run(context, file, case, &mut judge),
        "loss" => training::loss(context, file, case, &mut judge),
        "optim" => training::optim(context, file, case, &mut judge),
        "metric" => metrics::run(file, case, &mut judge),
        _ => None,
    };
    let (ok, worst, reason) = match ran {
        None => (None, None, format!("gyre has no {} {} with these settings", case.kind, case.name)),
        Some(Err(e)) => (Some(false), None, e.to_string()),
        Some(Ok(())) => {
            let (ok, worst, reason) = judge.verdict();
            (Some(ok), worst, reason)
        }
    };
    Verdict {
        file: file.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        id: case.id.clone(),
        kind: case.kind.clone(),
        name: case.name.clone(),
        ok,
        skipped: ok.is_none(),
        reason,
        worst,
    }
}

/// A line a name; with `all` also a line a case.
fn text(f: &Findings, all: bool) -> String {
    let mut out = format!("{} ({}, {})\n", f.adapter.name(), f.adapter.backend(), f.adapter.driver());
    let names: BTreeSet<(&str, &str)> = f.cases.iter().map(|c| (c.kind.as_str(), c.name.as_str())).collect();
    for (kind, name) in names {
        let of_name: Vec<&Verdict> = f.cases.iter().filter(|c| c.kind == kind && c.name == name).collect();
        let count = |ok| of_name.iter().filter(|c| c.ok == ok).count();
        let worst = of_name.iter().filter_map(|c| c.worst.as_ref()).map(|w| w.ratio).fold(0.0, f64::max);
        let (passed, failed, skipped) = (count(Some(true)), count(Some(false)), count(None));
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{kind:9} {name:20} {passed:4} passed {failed:3} failed {skipped:3} skipped   {worst:.3} of the tolerance"
        );
        for case in of_name.iter().filter(|c| all || c.ok != Some(true)) {
            let what = match case.ok {
                Some(true) => "ok",
                Some(false) => "FAILED",
                None => "skipped",
            };
            let worst =
                case.worst.as_ref().map(|w| format!("{} at {:.3} of the tolerance", w.tensor, w.ratio));
            let _ = writeln!(out, "    {what} {}: {} {}", case.id, case.reason, worst.unwrap_or_default());
        }
    }
    let _ = writeln!(out, "{} passed, {} failed, {} skipped", f.passed, f.failed, f.skipped);
    out
}

/// What a maintainer would ask for: version, device, features, limits, every case.
fn report(context: &Context, findings: &Findings) -> String {
    let mut out = format!("gyre {} doctor report\n\n", env!("CARGO_PKG_VERSION"));
    let _ = writeln!(out, "system    {} {}", std::env::consts::OS, std::env::consts::ARCH);
    let _ = writeln!(out, "adapter   {:?}", context.info);
    let _ = writeln!(out, "tier      {:?}", context.tier);
    let _ = writeln!(out, "features  {:?}", context.device.features());
    let _ = writeln!(out, "limits    {:?}\n", context.limits);
    out + &text(findings, true)
}

//! The report of a run, when it ends and any time after.

use std::{fs, sync::Arc};

use super::{
    Evaluated, Evaluation, Outcome, Setup, Shown,
    clock::device,
    config::{Config, DataKind},
    evaluate::trained,
    runlog::RunLog,
    training_graph,
};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Plan, Shape},
    infer::Looks,
    metrics::Summary,
    report::Report,
};

/// Pictures in a report.
pub(super) const SHOWN: Shown = Shown { first: 4, worst: 4 };

/// Writes `report.html` of a run folder anew, from its log and what its best weights predict now; returns their scores.
///
/// # Errors
/// [`Error::Config`] where the run has no weights or has not ended; what its data or the device raise.
pub fn remake(context: &Arc<Context>, config: &Config) -> Result<Summary> {
    let path = config.train.out.join("scores.json");
    if !path.exists() {
        return Err(Error::Config(format!("{} is not there: the run has not ended", path.display())));
    }
    let outcome = serde_json::from_slice(&fs::read(&path).map_err(Error::io(&path))?);
    let outcome: Outcome = outcome.map_err(|e| Error::data(&path, e.to_string()))?;
    let setup = Setup::new(config)?;
    let data = setup.open_data(config)?;
    let predictors = trained(context, &setup, config, &[])?;
    let dataset = &*data.dataset;
    let evaluation =
        Evaluation { config, setup: &setup, dataset, shown: SHOWN, looks: Looks::default(), thorough: true };
    let evaluated = evaluation.of(predictors, data.split.judged())?;
    let summary = evaluated.summary.clone();
    write(context, config, &setup, &outcome, evaluated)?;
    Ok(summary)
}

/// What a reader wants to know of the model and its run.
fn facts(
    context: &Context,
    config: &Config,
    setup: &Setup,
    outcome: &Outcome,
) -> Result<Vec<(String, String)>> {
    let batch = config.train.batch.div_ceil(config.train.micro_batches);
    let shape = Shape::new(batch, setup.size[0], setup.size[1], setup.model.in_channels);
    let graph = training_graph(&setup.model, &setup.loss, shape, setup.step)?;
    let plan = Plan::new(&graph.graph, context)?;
    let summary = plan.summary();
    let pairs = [
        ("network", setup.model.network.name().to_string()),
        ("parameters", summary.parameters.to_string()),
        ("GFLOP a training step", format!("{:.3}", summary.flops as f64 * 1e-9)),
        ("memory of a training step, MiB", format!("{:.1}", summary.peak_bytes as f64 / f64::from(1 << 20))),
        ("steps", outcome.steps.to_string()),
        ("seconds", format!("{:.1}", outcome.seconds)),
        ("waiting for pictures, % of the steps' time", format!("{:.1}", 100.0 * outcome.waited)),
    ];
    Ok(pairs.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

/// Writes `report.html` of a run folder.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub(super) fn write(
    context: &Context,
    config: &Config,
    setup: &Setup,
    outcome: &Outcome,
    evaluated: Evaluated,
) -> Result<()> {
    let folder = &config.train.out;
    let report = Report {
        title: format!("{} on {}", config.model.name.name(), data_name(config)),
        config_toml: config.to_toml()?,
        hardware: match outcome.hardware.as_slice() {
            [] => format!("not kept; this report was made on {}", device(&context.info)),
            trained => trained.join("; "),
        },
        model: facts(context, config, setup, outcome)?,
        history: RunLog::read(folder)?,
        scores: serde_json::to_value(&evaluated.summary).map_err(|e| Error::Check(format!("scores: {e}")))?,
        confusion: Some(evaluated.confusion),
        thresholds: evaluated.thresholds,
        first: SHOWN.first,
        pictures: evaluated.pictures,
    };
    report.write(folder.join("report.html"))
}

fn data_name(config: &Config) -> String {
    let kind = config.data.kind;
    match config.data.root.file_name() {
        Some(name) if !kind.is_drawn() => name.to_string_lossy().into_owned(),
        _ if kind == DataKind::Angiography => "synthetic angiograms".into(),
        _ => format!("generated {}", kind.name()),
    }
}

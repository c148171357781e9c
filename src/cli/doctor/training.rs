//! Reference cases of losses and optimisers.

use std::sync::Arc;

use serde_json::Value;

use super::cases::{Case, CaseFile, Judge};
use crate::{
    Result,
    gpu::Context,
    graph::{Graph, Init, Layout, Plan, Session, Shape, Weights},
    loss,
    ops::SignedDistance,
    optim::{self, OptimSpec, Optimizer, Plateau, PlateauSpec, Schedule},
};

fn attrs(case: &Case) -> Value {
    Value::Object(case.attrs.clone())
}

/// Runs the case of a loss; `None` if it is not known.
pub fn loss(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
) -> Option<Result<()>> {
    if case.name == "signed_distance" {
        return Some(signed_distance(context, file, case, judge));
    }
    let weights = file.tensor(case, "in.class_weight").map(|t| t.data.clone()).unwrap_or_default();
    let spec = loss::spec_from_attrs(&case.name, &attrs(case), &weights)?;
    Some(run_loss(context, file, case, judge, &spec))
}

fn signed_distance(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
) -> Result<()> {
    let mut graph = Graph::new();
    let (shape, mask) = file.stored(case, "in.mask")?;
    let x = graph.input("mask", shape);
    let y = graph.apply(SignedDistance::default(), &[x])?;
    graph.output(y);
    let session = Session::new(Plan::new(&graph, context)?, &Arc::new(Weights::new(context, &graph, 0)?))?;
    session.poison()?;
    session.write(x, &mask)?;
    session.run();
    judge.compare_stored("out.phi", shape, &session.read(y)?)
}

fn run_loss(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
    spec: &loss::LossSpec,
) -> Result<()> {
    let mut graph = Graph::new();
    let (shape, logits) = file.stored(case, "in.logits")?;
    let (_, target) = file.stored(case, "in.target")?;
    let (x, y) = (graph.input("logits", shape), graph.input("target", shape));
    let loss = spec.build(&mut graph, x, y)?;
    let seed = graph.input("seed", Shape::SCALAR);
    let grad = graph.backward(loss, seed, &[x], crate::ops::add)?[0];
    graph.output(loss);
    grad.iter().for_each(|v| graph.output(*v));
    let session = Session::new(Plan::new(&graph, context)?, &Arc::new(Weights::new(context, &graph, 0)?))?;
    session.poison()?;
    session.write(x, &logits)?;
    session.write(y, &target)?;
    session.write(seed, &[1.0])?;
    session.run();
    context.check()?;
    judge.compare("out.loss", &session.read(loss)?)?;
    if let (Some(grad), true) = (grad, case.has("grad", "logits")) {
        judge.compare_stored("grad.logits", shape, &session.read(grad)?)?;
    }
    Ok(())
}

/// Runs the case of an optimiser; `None` if it is not known.
pub fn optim(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
) -> Option<Result<()>> {
    if case.has("out", "lr") {
        return run_schedule(file, case, judge);
    }
    let spec = optim::spec_from_attrs(&case.name, &attrs(case))?;
    let schedule = match case.attrs.get("lr_schedule") {
        Some(s @ Value::Object(_)) => Schedule::from_attrs(s.get("kind")?.as_str()?, s)?,
        _ => Schedule::Constant { base: case.number("lr", 0.0) },
    };
    Some(run_optim(context, file, case, judge, spec, &schedule))
}

/// The trace of a learning rate alone.
fn run_schedule(file: &CaseFile, case: &Case, judge: &mut Judge<'_>) -> Option<Result<()>> {
    let compare = |judge: &mut Judge<'_>, rates: Vec<f64>| {
        judge.compare("out.lr", &rates.iter().map(|rate| *rate as f32).collect::<Vec<_>>())
    };
    if case.name == "plateau" {
        let spec = PlateauSpec::from_attrs(&attrs(case))?;
        let numbers = match file.tensor(case, "in.metric") {
            Ok(tensor) => &tensor.data,
            Err(e) => return Some(Err(e)),
        };
        let mut state = Plateau::default();
        let rates = numbers.iter().map(|number| {
            let rate = state.rate(&spec);
            state.look(&spec, f64::from(*number));
            rate
        });
        let rates = rates.collect();
        return Some(compare(judge, rates));
    }
    let schedule = Schedule::from_attrs(&case.name, &attrs(case))?;
    let steps = match file.tensor(case, "out.lr") {
        Ok(tensor) => tensor.data.len() as u64,
        Err(e) => return Some(Err(e)),
    };
    Some(compare(judge, (0..steps).map(|t| schedule.lr_at(t)).collect()))
}

fn run_optim(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
    spec: OptimSpec,
    schedule: &Schedule,
) -> Result<()> {
    let names: Vec<&String> = case.inputs.iter().filter(|n| n.starts_with("init")).collect();
    let mut graph = Graph::new();
    for name in &names {
        let count = file.tensor(case, &format!("in.{name}"))?.data.len();
        graph.param(name, Layout::Vector(count), Init::Constant(0.0));
    }
    let weights = Arc::new(Weights::new(context, &graph, 0)?);
    let gradients = weights.like_values("gradients")?;
    for name in &names {
        weights.set(name, &file.tensor(case, &format!("in.{name}"))?.data)?;
    }
    let mut optimizer = Optimizer::new(&weights, &gradients, spec)?;
    let mut traces = vec![Vec::new(); names.len()];
    let mut norms = Vec::new();
    for step in 0..case.count("steps", 0) {
        for name in &names {
            let all = &file.tensor(case, &format!("in.{}", name.replace("init", "grad")))?.data;
            let size = weights_size(&weights, name);
            let Some(now) = all.get(step * size..(step + 1) * size) else { continue };
            weights.write_like(&gradients, name, now)?;
        }
        let mut encoder = context.device.create_command_encoder(&Default::default());
        optimizer.step(&mut encoder, schedule.lr_at(step as u64) as f32);
        context.queue.submit([encoder.finish()]);
        norms.extend(optimizer.grad_norm()?);
        let now = weights.export()?;
        for (trace, name) in traces.iter_mut().zip(&names) {
            trace.extend(now.iter().filter(|(n, _, _)| n == *name).flat_map(|(_, _, data)| data));
        }
    }
    context.check()?;
    for (trace, name) in traces.iter().zip(&names) {
        judge.compare(&format!("out.{}", name.replace("init", "trace")), trace)?;
    }
    if case.has("out", "grad_norm") {
        judge.compare("out.grad_norm", &norms)?;
    }
    Ok(())
}

fn weights_size(weights: &Weights, name: &str) -> usize {
    weights.params.iter().find(|p| p.name == name).map_or(0, |p| p.layout.count())
}

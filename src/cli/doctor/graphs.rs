//! Runs a graph against a reference case: inputs and parameters from the file, outputs and gradients compared.

use std::sync::Arc;

use super::cases::{Case, CaseFile, Judge};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Plan, Session, Var, Weights},
    ops::add,
};

/// A graph under test.
pub struct Subject {
    /// The graph, without gradient.
    pub graph: Graph,
    /// Inputs by their names in the file.
    pub inputs: Vec<(String, Var)>,
    /// The result.
    pub y: Var,
}

/// Adds an input with the shape of the case's tensor.
///
/// # Errors
/// If the file lacks it.
pub fn input(graph: &mut Graph, file: &CaseFile, case: &Case, name: &str) -> Result<(String, Var)> {
    let (shape, _) = file.stored(case, &format!("in.{name}"))?;
    Ok((name.to_string(), graph.input(name, shape)))
}

/// Runs `subject` forward, and backward where `grads` names gradients to compare, on poisoned memory. `prefix`
/// stands before the names in the file (`eval.`, `train.`, or nothing); `outs` are the outputs to compare: `y`,
/// or buffers as they are after the run under their parameter's name.
///
/// # Errors
/// What building and running the graph raise.
pub fn run(
    context: &Arc<Context>,
    judge: &mut Judge<'_>,
    mut subject: Subject,
    prefix: &str,
    outs: &[(String, String)],
    grads: &[String],
) -> Result<()> {
    let (file, case) = (judge.file, judge.case);
    let graph = &mut subject.graph;
    graph.output(subject.y);
    let seed = graph.input("cotangent", graph.shape(subject.y));
    let wrt: Vec<Var> = subject.inputs.iter().filter(|(n, _)| grads.contains(n)).map(|(_, v)| *v).collect();
    let mut of_inputs = Vec::new();
    if !grads.is_empty() {
        let forward = graph.nodes.len();
        of_inputs = graph.backward(subject.y, seed, &wrt, add)?;
        of_inputs.iter().flatten().for_each(|v| graph.output(*v));
        graph.fuse_from(forward);
    }
    let weights = Arc::new(Weights::new(context, graph, 0)?);
    for param in &weights.params {
        weights.set(&param.name, &file.tensor(case, &format!("param.{}", param.name))?.data)?;
    }
    let session = Session::new(Plan::new(graph, context)?, &weights)?;
    session.poison()?;
    for (name, var) in &subject.inputs {
        session.write(*var, &file.stored(case, &format!("in.{name}"))?.1)?;
    }
    if !grads.is_empty() {
        session.write(seed, &file.stored(case, "in.cotangent")?.1)?;
    }
    session.run();
    context.check()?;
    let after = weights.export()?;
    for (name, source) in outs {
        if source == "y" {
            judge.compare_stored(
                &format!("out.{name}"),
                session.shape(subject.y),
                &session.read(subject.y)?,
            )?;
        } else if let Some((_, _, data)) = after.iter().find(|(n, _, _)| n == source) {
            judge.compare(&format!("out.{name}"), data)?;
        }
    }
    for name in grads {
        let key = format!("grad.{prefix}{name}");
        if let Some(at) = wrt.iter().position(|v| subject.inputs.iter().any(|(n, i)| n == name && i == v)) {
            let var = of_inputs[at].ok_or_else(|| Error::Check(format!("{key}: no gradient was built")))?;
            judge.compare_stored(&key, session.shape(var), &session.read(var)?)?;
        } else if let Some(gradients) = session.gradients() {
            judge.compare(&key, &session.read_gradient(gradients, name)?)?;
        }
    }
    Ok(())
}

//! Tuning: the forms of a program's kernels are timed on the device, and the fastest are kept.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Ceilings;
use crate::{
    Result,
    gpu::{Choices, Context},
    graph::{Forms, Graph, Init, Layout, Node, Plan, Session, Weights},
};

/// How a key was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// What is computed.
    pub key: String,
    /// Milliseconds of the forms that were timed, fastest first.
    pub times: Vec<(String, f64)>,
    /// Forms that failed, or whose results were not those of the plainest one.
    pub wrong: Vec<String>,
}

/// How much tuning may cost.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Runs that each time is the least of.
    pub runs: usize,
    /// After this no further key is begun; the rest keep their guess.
    pub limit: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Self { runs: 5, limit: Duration::from_secs(120) }
    }
}

/// Once a form is this near to the matrix product's ceiling, no other that it binds is tried.
const ENOUGH: f64 = 0.9;
/// A form this much slower than the best in its first run is not run again.
const HOPELESS: f64 = 1.5;

/// Times the forms of every node of `graph` that `known` says nothing of; `say` is told of each key.
///
/// # Errors
/// What the device raises; a form that does not compile or fit is left out.
pub fn tune(
    context: &Arc<Context>,
    graph: &Graph,
    known: &Choices,
    effort: Effort,
    mut say: impl FnMut(&str),
) -> Result<Vec<Tuned>> {
    let device = context.capabilities();
    let mut open: BTreeMap<String, (&Node, Forms)> = BTreeMap::new();
    for node in &graph.nodes {
        if let Some(forms) = graph.forms_of(node, &device).filter(|f| known.get(&f.key).is_none()) {
            open.entry(forms.key.clone()).or_insert((node, forms));
        }
    }
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let ceiling = Ceilings::matrix_product(context, 3)?.0;
    let began = Instant::now();
    let mut all = Vec::new();
    for (key, (node, forms)) in open {
        if began.elapsed() > effort.limit {
            break;
        }
        say(&key);
        let alone = alone(graph, node)?;
        let least = graph.node_cost(node).flops as f64 / (ceiling * 1e6);
        all.push(race(context, &alone, &forms, effort.runs, least / ENOUGH)?);
    }
    Ok(all)
}

/// The winners.
pub fn choices(tuned: &[Tuned]) -> Choices {
    let first = |t: &Tuned| Some((t.key.clone(), t.times.first()?.0.clone()));
    Choices(tuned.iter().filter_map(first).collect())
}

/// A graph of this node alone, that trains if the whole does.
fn alone(graph: &Graph, node: &Node) -> Result<Graph> {
    let mut alone = Graph::new();
    let vars: Vec<_> = node.inputs.iter().map(|v| alone.input("input", graph.shape(*v))).collect();
    let made = alone.push(node.op.clone(), &vars)?;
    for (here, there) in vars.iter().chain(&made).zip(node.inputs.iter().chain(&node.outputs)) {
        alone.vars[here.index()].precision = graph.vars[there.index()].precision;
    }
    let updated = node.op.updates().into_iter().map(|i| vars[i]);
    made.into_iter().chain(updated).for_each(|v| alone.output(v));
    if graph.trains() {
        let param = alone.param("trains", Layout::Vector(1), Init::Constant(0.0));
        alone.gradient_of(param);
    }
    Ok(alone)
}

fn session(context: &Arc<Context>, graph: &Graph, choices: &Choices) -> Result<Session> {
    let weights = Arc::new(Weights::new(context, graph, 0)?);
    Session::new(Plan::with(graph, context, choices)?, &weights)
}

fn results(session: &Session, graph: &Graph) -> Result<Vec<Vec<f32>>> {
    super::fill(session, graph)?;
    session.run();
    graph.outputs.iter().map(|v| session.read(*v)).collect()
}

/// Whether results are the same but for rounding, which in half may cost 1 % of the largest.
fn agree(right: &[Vec<f32>], other: &[Vec<f32>]) -> bool {
    right.iter().zip(other).all(|(a, b)| {
        let largest = a.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-2 * largest)
    })
}

/// Times the forms in turn, fastest first; once one takes `enough` milliseconds or less, only those that may
/// take less still.
fn race(context: &Arc<Context>, graph: &Graph, forms: &Forms, runs: usize, enough: f64) -> Result<Tuned> {
    let (mut times, mut wrong): (Vec<(String, f64)>, _) = (Vec::new(), Vec::new());
    let only = |name: &String| Choices(BTreeMap::from([(forms.key.clone(), name.clone())]));
    // The plainest form, in registers, says what is right.
    let plain = forms.names.iter().filter(|n| n.starts_with("rows")).chain(&forms.names);
    let mut made = plain.map(|plain| results(&session(context, graph, &only(plain))?, graph));
    // Without any result there is nothing to hold others to, and the loop below finds no form that runs.
    let right = made.find_map(Result::ok);
    for name in &forms.names {
        let best = times.iter().map(|t| t.1).fold(f64::INFINITY, f64::min);
        // What does fewer multiplications, or does them on other units, may beat that ceiling.
        let bound = name.starts_with("rows") || name.starts_with("tile");
        if bound && best <= enough {
            continue;
        }
        // What the device refuses, by limits or memory, is no candidate.
        let Ok(session) = session(context, graph, &only(name)) else { continue };
        let made = results(&session, graph);
        if !made.is_ok_and(|made| right.as_ref().is_none_or(|right| agree(right, &made))) {
            wrong.push(name.clone());
            continue;
        }
        session.profile_whole()?;
        let mut least = session.profile_whole()?;
        if least < HOPELESS * best {
            for _ in 1..runs {
                least = least.min(session.profile_whole()?);
            }
        }
        times.push((name.clone(), least));
    }
    times.sort_by(|a, b| a.1.total_cmp(&b.1));
    Ok(Tuned { key: forms.key.clone(), times, wrong })
}

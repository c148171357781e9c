//! Measurements: what this device can do at most, and how near the kernels come to it.

mod cases;
mod ceilings;
mod compare;
mod custom;
mod descents;
mod roofline;
mod shortcuts;
mod steps;
mod table;
pub mod tune;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    ceilings::{Ceilings, Copy, kernels},
    compare::compare,
    custom::Custom,
    roofline::roofline,
    steps::StepRow,
    table::Table,
};
use crate::{
    Result,
    gpu::Context,
    graph::{Cost, Graph, Plan, Role, Session, Shape, Var, VarInfo, Weights},
    metrics::Times,
};

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Runs that the medians are of, after one to warm up.
    pub runs: usize,
    /// Parts of names; a measurement is made if its group or name holds one. Empty: all.
    pub only: Vec<String>,
    /// In which precisions: mixed, or not.
    pub mixed: Vec<bool>,
}

impl Options {
    fn wants(&self, group: &str, name: &str) -> bool {
        let text = format!("{group} {name}").to_lowercase();
        self.only.is_empty() || self.only.iter().any(|part| text.contains(&part.to_lowercase()))
    }
}

/// A kernel at a shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Where the shape comes from.
    pub group: String,
    /// Operator and shape.
    pub name: String,
    /// Forward, input gradient or weight gradient.
    pub pass: String,
    /// The form of the kernel, where there are several.
    #[serde(default)]
    pub form: String,
    /// Dispatches.
    pub dispatches: usize,
    /// Time on the device.
    pub times: Times,
    /// Floating-point operations, by the direct algorithm.
    pub flops: u64,
    /// Bytes, each tensor read or written once.
    pub bytes: u64,
    /// Thousand millions of operations a second.
    pub gflops: f64,
    /// Thousand millions of bytes a second.
    pub gbytes: f64,
    /// The ceiling that binds: arithmetic or memory.
    pub bound: String,
    /// Rate in parts of that ceiling.
    pub of_ceiling: f64,
}

impl Row {
    fn new(
        [group, name, pass, form]: [&str; 4],
        dispatches: usize,
        times: Times,
        cost: Cost,
        ceilings: [f64; 2],
    ) -> Self {
        let (gflops, gbytes) = (times.rate(cost.flops), times.rate(cost.bytes));
        let part = |rate: f64, ceiling: f64| if ceiling > 0.0 { rate / ceiling } else { 0.0 };
        let arithmetic = part(gflops, ceilings[0]);
        let memory = part(gbytes, ceilings[1]);
        let binds = if arithmetic >= memory { "arithmetic" } else { "memory" };
        Self {
            group: group.into(),
            name: name.into(),
            pass: pass.into(),
            form: form.into(),
            dispatches,
            times,
            flops: cost.flops,
            bytes: cost.bytes,
            gflops,
            gbytes,
            bound: binds.into(),
            of_ceiling: arithmetic.max(memory),
        }
    }
}

/// All that was measured on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of gyre.
    pub version: String,
    /// Name of the adapter.
    pub adapter: String,
    /// Its driver.
    pub driver: String,
    /// Vulkan, Metal or DX12.
    pub backend: String,
    /// Whether times are the device's own, or the clock's with a submission in each.
    pub timestamps: bool,
    /// What it can do at most.
    pub ceilings: Ceilings,
    /// Kernels at named shapes.
    pub kernels: Vec<Row>,
    /// Whole inferences and training steps.
    pub steps: Vec<StepRow>,
}

impl Report {
    fn new(context: &Context, ceilings: Ceilings, kernels: Vec<Row>, steps: Vec<StepRow>) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            adapter: context.info.name.clone(),
            driver: format!("{} {}", context.info.driver, context.info.driver_info).trim().into(),
            backend: context.info.backend.to_string(),
            timestamps: context.tier.timestamps,
            ceilings,
            kernels,
            steps,
        }
    }
}

/// Measures; `say` is told of each measurement as it begins, and `prepare` may choose kernels for each program.
///
/// # Errors
/// What the device raises.
pub fn run(
    context: &Arc<Context>,
    options: &Options,
    mut prepare: impl FnMut(&Graph) -> Result<()>,
    mut say: impl FnMut(&str),
) -> Result<Report> {
    say("ceilings");
    let ceilings = Ceilings::measure(context, options.runs)?;
    let mut kernels = Vec::new();
    for case in cases::all().into_iter().filter(|c| options.wants(c.group, &c.name)) {
        say(&format!("{} {}", case.group, case.name));
        for mixed in &options.mixed {
            let program = case.program(*mixed)?;
            prepare(&program.graph)?;
            kernels.extend(case.measure(context, &program, &ceilings, options.runs)?);
        }
    }
    for case in descents::all().into_iter().filter(|c| options.wants(descents::GROUP, &c.name)) {
        say(&case.name);
        kernels.extend(case.measure(context, &ceilings, options.runs)?);
    }
    for case in shortcuts::all().into_iter().filter(|c| options.wants(shortcuts::GROUP, &c.name)) {
        say(&case.name);
        kernels.extend(case.measure(context, &ceilings, options.runs)?);
    }
    let mut steps = Vec::new();
    for step in steps::all(context, &options.mixed).into_iter().filter(|s| options.wants("step", &s.name())) {
        say(&step.name());
        let graph = step.graph()?;
        prepare(&graph)?;
        steps.push(step.measure(context, &graph, options.runs)?);
    }
    Ok(Report::new(context, ceilings, kernels, steps))
}

/// Fills the inputs of a graph with numbers that are not all alike: zeros cost some devices less power.
fn fill(session: &Session, graph: &Graph) -> Result<()> {
    let fixed = |i: usize| graph.constants.iter().any(|(var, _)| var.index() == i);
    let free = |(i, info): &(usize, &VarInfo)| info.role == Role::Input && !fixed(*i);
    for (i, info) in graph.vars.iter().enumerate().filter(free) {
        let numbers: Vec<f32> = match info.shape {
            Shape::SCALAR => vec![1.0],
            // Vectors may be variances.
            shape => {
                let least = if shape == Shape::channels(shape.c) { 0.1 } else { -0.5 };
                (0..shape.count()).map(|k| (k * 37 % 101) as f32 / 101.0 + least).collect()
            }
        };
        session.write(Var(i), &numbers)?;
    }
    Ok(())
}

/// A session of a graph with freshly drawn weights.
fn session(context: &Arc<Context>, graph: &Graph) -> Result<Session> {
    let weights = Arc::new(Weights::new(context, graph, 0)?);
    Session::new(Plan::new(graph, context)?, &weights)
}

//! Whole inferences and training steps.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use super::{Times, session};
use crate::{
    Result,
    gpu::{Context, PassTime},
    graph::{Graph, Shape},
    infer::predictor,
    loss::LossSpec,
    models::{Model, Network},
    optim::{Adam, Method, OptimSpec, Optimizer, Scaling},
    train::{StepOptions, training_graph},
};

/// A model at a size.
pub struct WholeStep {
    model: Model,
    x: Shape,
    train: bool,
    mixed: bool,
}

/// What a whole step took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// Model, widths and batch.
    pub name: String,
    /// From the first command to the end of the work.
    pub wall: Times,
    /// Sum of the passes on the device.
    pub device: Times,
    /// Milliseconds of each operator's passes, medians.
    pub by_operator: BTreeMap<String, f64>,
    /// Part of the device's time in convolutions and their gradients.
    pub convolutions: f64,
    /// Dispatches, the optimiser's included.
    pub dispatches: usize,
    /// Submissions.
    pub submissions: usize,
    /// Floating-point operations.
    pub flops: u64,
    /// Memory, with the optimiser's moments.
    pub peak_bytes: u64,
}

/// Every model, in training and in inference, in each precision, at a size that suits the device.
pub fn all(context: &Context, mixed: &[bool]) -> Vec<WholeStep> {
    let (widths, size) = if context.is_software() {
        (vec![8, 16, 32, 64, 128], 128)
    } else {
        (vec![64, 128, 256, 512, 1024], 256)
    };
    let of = |network| {
        let published = Model::new(network, 1, 1);
        let model = match network {
            // Its widths go with its encoder's.
            Network::EfficientUNetPp => published,
            _ => Model { widths: widths.clone(), ..published },
        };
        let x = Shape::new(4, size, size, 1);
        let each = [true, false].into_iter().flat_map(|train| mixed.iter().map(move |mixed| (train, *mixed)));
        each.map(|(train, mixed)| WholeStep { model: model.clone(), x, train, mixed }).collect::<Vec<_>>()
    };
    Network::ALL.into_iter().flat_map(of).collect()
}

impl WholeStep {
    /// Model, widths and batch.
    pub fn name(&self) -> String {
        let (first, last) = (self.model.widths.first().unwrap_or(&0), self.model.widths.last().unwrap_or(&0));
        let what = if self.train { "training step" } else { "inference" };
        let Shape { n, h, w, .. } = self.x;
        let precision = if self.mixed { ", mixed" } else { "" };
        format!("{} {first}..{last}, {n} of {h}x{w}, {what}{precision}", self.model.network.name())
    }

    /// The program.
    ///
    /// # Errors
    /// What building it raises.
    pub fn graph(&self) -> Result<Graph> {
        if self.train {
            let how = StepOptions { mixed: self.mixed, ..StepOptions::default() };
            return training_graph(&self.model, &LossSpec::bce(), self.x, how).map(|t| t.graph);
        }
        let mut graph = predictor::graph(&self.model, self.x)?.0;
        if self.mixed {
            graph.mixed();
        }
        Ok(graph)
    }

    /// Times the step, given its [`Self::graph`].
    ///
    /// # Errors
    /// What the device raises.
    pub fn measure(&self, context: &Arc<Context>, graph: &Graph, runs: usize) -> Result<StepRow> {
        let session = session(context, graph)?;
        super::fill(&session, graph)?;
        let scaling = self.mixed.then(Scaling::default);
        let adam = OptimSpec { scaling, ..Method::Adam(Adam::default()).into() };
        let gradients = session.gradients();
        let mut optimizer =
            gradients.map(|gradients| Optimizer::new(session.weights(), gradients, adam)).transpose()?;
        let mut once = || -> Result<f64> {
            let began = Instant::now();
            let update = |encoder: &mut wgpu::CommandEncoder| {
                if let Some(optimizer) = &mut optimizer {
                    // The weights stay as they are, so that all runs are alike.
                    optimizer.step(encoder, 0.0);
                }
            };
            session.submit(|encoder| session.clear_gradients(encoder), update);
            context.wait()?;
            Ok(began.elapsed().as_secs_f64() * 1e3)
        };
        once()?;
        let wall = Times::of((0..runs).map(|_| once()).collect::<Result<_>>()?);
        let mut profile = || -> Result<Vec<PassTime>> {
            let mut passes = session.profile()?;
            if let Some(optimizer) = &mut optimizer {
                passes.extend(optimizer.profile(0.0)?);
            }
            Ok(passes)
        };
        profile()?;
        let profiles = (0..runs).map(|_| profile()).collect::<Result<Vec<_>>>()?;
        let device = Times::of(profiles.iter().map(|p| p.iter().map(|pass| pass.ms).sum()).collect());
        let by_operator = by_operator(&profiles);
        let of_convolutions: f64 =
            by_operator.iter().filter(|(name, _)| name.starts_with("conv")).map(|(_, ms)| ms).sum();
        let total: f64 = by_operator.values().sum();
        let summary = session.plan().summary();
        let moments =
            if self.train { adam.method.moments().len() as u64 * summary.gradient_bytes } else { 0 };
        Ok(StepRow {
            name: self.name(),
            wall,
            device,
            convolutions: if total > 0.0 { of_convolutions / total } else { 0.0 },
            by_operator,
            dispatches: profiles.first().map_or(0, Vec::len),
            submissions: summary.submissions,
            flops: summary.flops,
            peak_bytes: summary.peak_bytes + moments,
        })
    }
}

/// Medians over the runs of the time in each operator's passes; a pass's label begins with its shader.
fn by_operator(profiles: &[Vec<PassTime>]) -> BTreeMap<String, f64> {
    let mut runs: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (run, profile) in profiles.iter().enumerate() {
        for pass in profile {
            let operator = pass.label.split(['/', ' ']).next().unwrap_or_default();
            let sums = runs.entry(operator.to_string()).or_default();
            sums.resize(run + 1, 0.0);
            sums[run] += pass.ms;
        }
    }
    runs.into_iter().map(|(name, sums)| (name, Times::of(sums).median)).collect()
}

//! A target of its own for every stage of a network.

use super::{Objective, objective::of_stages};
use crate::{
    Result,
    graph::{Graph, Var},
    loss::LossSpec,
    models::Model,
    ops::Slice,
};

/// The loss of every stage of a binary network against its own target, the mean of all (GREnet): channel s of the target
/// is that of stage s, bit s of a mask's value.
#[derive(Clone, Debug, PartialEq)]
pub struct StageTargets {
    /// The loss of a stage.
    pub loss: LossSpec,
    /// How many stages there are.
    pub stages: usize,
}

impl Objective for StageTargets {
    fn looks(&self, graph: &mut Graph, model: &Model, picture: Var, train: bool) -> Result<Vec<Var>> {
        self.loss.looks(graph, model, picture, train)
    }

    fn loss(&self, graph: &mut Graph, looks: &[Var], _: Var, target: Var) -> Result<Var> {
        let targets = (0..self.stages).map(|s| graph.apply(Slice::new(s..s + 1), &[target]));
        let targets = targets.collect::<Result<Vec<_>>>()?;
        of_stages(&self.loss, graph, looks, &targets)
    }

    fn target_channels(&self, _: &Model) -> usize {
        self.stages
    }

    fn targets(&self, mask: &[u8], channels: usize) -> Vec<f32> {
        mask.iter().flat_map(|v| (0..channels).map(move |s| f32::from(v >> s & 1))).collect()
    }
}

//! What a training step minimises.

use std::{fmt::Debug, sync::Arc};

use super::one_hot;
use crate::{
    Error, Result,
    graph::{Graph, Shape, Var},
    loss::LossSpec,
    models::Model,
    ops::{Broadcast, Turn, add},
};

/// A task for a network: how it looks at a picture, and what is made of what it says.
pub trait Objective: Debug + Send + Sync {
    /// Adds the network, once for each look at `picture`, as it is trained or, without `train`, as it is evaluated.
    /// Returns what each look came to.
    ///
    /// # Errors
    /// [`Error::Shape`] if the pictures do not fit the network or the task.
    fn looks(&self, graph: &mut Graph, model: &Model, picture: Var, train: bool) -> Result<Vec<Var>>;

    /// Adds the loss of all looks: a scalar.
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes do not go together.
    fn loss(&self, graph: &mut Graph, looks: &[Var], picture: Var, target: Var) -> Result<Var>;

    /// Channels of the target.
    fn target_channels(&self, model: &Model) -> usize {
        model.out_channels
    }

    /// The target of so many channels that the values of masks stand for.
    fn targets(&self, mask: &[u8], channels: usize) -> Vec<f32> {
        one_hot(mask, channels)
    }
}

/// Of masks: one look, whose stages are all trained alike, and where views are compared another at the mirror image, turned
/// back.
impl Objective for LossSpec {
    fn looks(&self, graph: &mut Graph, model: &Model, picture: Var, train: bool) -> Result<Vec<Var>> {
        let mut looks = model.build_stages(graph, picture, train)?;
        if self.compares_views() {
            let mirrored = graph.apply(Turn::MIRRORED, &[picture])?;
            let seen = model.build(graph, mirrored, train)?;
            looks.push(graph.apply(Turn::MIRRORED, &[seen])?);
        }
        Ok(looks)
    }

    fn loss(&self, graph: &mut Graph, looks: &[Var], _: Var, target: Var) -> Result<Var> {
        let targets = vec![target; looks.len()];
        of_stages(self, graph, looks, &targets)
    }
}

/// The mean over all stages of the loss against the stage's target; the views of the last are compared.
pub(super) fn of_stages(loss: &LossSpec, graph: &mut Graph, looks: &[Var], targets: &[Var]) -> Result<Var> {
    let (stages, other) = match looks {
        [stages @ .., other] if loss.compares_views() => (stages, Some(*other)),
        stages => (stages, None),
    };
    let alone = loss.without_views();
    let mut sum = None;
    for (i, (logits, target)) in stages.iter().zip(targets).enumerate() {
        let term = match i + 1 == stages.len() {
            true => loss.build_views(graph, *logits, other, *target)?,
            false => alone.build(graph, *logits, *target)?,
        };
        sum = Some(match sum {
            Some(sum) => add(graph, sum, term)?,
            None => term,
        });
    }
    let sum = sum.ok_or_else(|| Error::shape("loss", "wants the logits of a picture"))?;
    match stages.len() {
        1 => Ok(sum),
        n => graph.apply(Broadcast { to: Shape::SCALAR, scale: 1.0 / n as f32 }, &[sum]),
    }
}

impl Objective for Arc<dyn Objective> {
    fn looks(&self, graph: &mut Graph, model: &Model, picture: Var, train: bool) -> Result<Vec<Var>> {
        (**self).looks(graph, model, picture, train)
    }

    fn loss(&self, graph: &mut Graph, looks: &[Var], picture: Var, target: Var) -> Result<Var> {
        (**self).loss(graph, looks, picture, target)
    }

    fn target_channels(&self, model: &Model) -> usize {
        (**self).target_channels(model)
    }

    fn targets(&self, mask: &[u8], channels: usize) -> Vec<f32> {
        (**self).targets(mask, channels)
    }
}

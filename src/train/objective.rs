//! What a training step minimises.

use std::fmt::Debug;

use crate::{
    Error, Result,
    graph::{Graph, Var},
    loss::LossSpec,
    models::Model,
    ops::Turn,
};

/// A task for a network: how it looks at a picture, and what is made of what it says.
pub trait Objective: Debug + Send + Sync {
    /// Adds the network, once for each look at `picture`, as it is trained or, without `train`, as it is evaluated. Returns what
    /// each look came to.
    ///
    /// # Errors
    /// [`Error::Shape`] if the pictures do not fit the network or the task.
    fn looks(&self, graph: &mut Graph, model: &Model, picture: Var, train: bool) -> Result<Vec<Var>>;

    /// Adds the loss of all looks: a scalar.
    ///
    /// # Errors
    /// [`Error::Shape`] if shapes do not go together.
    fn loss(&self, graph: &mut Graph, looks: &[Var], picture: Var, target: Var) -> Result<Var>;
}

/// Of masks: one look, and where views are compared another at the mirror image, turned back.
impl Objective for LossSpec {
    fn looks(&self, graph: &mut Graph, model: &Model, picture: Var, train: bool) -> Result<Vec<Var>> {
        let mut looks = vec![model.build(graph, picture, train)?];
        if self.compares_views() {
            let mirrored = graph.apply(Turn::MIRRORED, &[picture])?;
            let seen = model.build(graph, mirrored, train)?;
            looks.push(graph.apply(Turn::MIRRORED, &[seen])?);
        }
        Ok(looks)
    }

    fn loss(&self, graph: &mut Graph, looks: &[Var], _: Var, target: Var) -> Result<Var> {
        let [logits, others @ ..] = looks else {
            return Err(Error::shape("loss", "wants the logits of a picture"));
        };
        self.build_views(graph, *logits, others.first().copied(), target)
    }
}

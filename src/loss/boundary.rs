//! Boundary loss.

use super::Link;
use crate::{
    Error, Result,
    graph::{Graph, Shape, Var},
    ops::{Broadcast, Keep, Reduce, SignedDistance},
};

/// Mean over pixels and classes of `p phi`, with p the probability of a class and phi the signed distance to the border of its
/// truth, pixels: what is given to a class costs as much as it lies outside it, and earns as much as it lies inside
/// (Kervadec et al. 2019). Of a softmax channel 0, the background, does not count. It falls below 0, and stands beside
/// another loss, since it says little while the prediction is far off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// How probabilities are made.
    pub link: Link,
}

impl Boundary {
    /// Adds the loss of `logits` against `target`, both `[N,H,W,C]`. Returns the scalar loss.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, or a softmax has no class but the background.
    pub fn build(self, graph: &mut Graph, logits: Var, target: Var) -> Result<Var> {
        let shape = graph.shape(logits);
        let softmax = self.link == Link::Softmax;
        if shape != graph.shape(target) || (softmax && shape.c < 2) {
            let message = format!(
                "wants logits and target of one shape, and classes, got {shape} and {}",
                graph.shape(target)
            );
            return Err(Error::shape("boundary", message));
        }
        let p = self.link.apply(graph, logits)?;
        let phi = graph.apply(SignedDistance { skip_background: softmax }, &[target])?;
        let classes = shape.c - usize::from(softmax);
        let scale = 1.0 / (shape.pixels() * classes) as f32;
        let sum = graph.apply(Reduce::sum_of_product(Keep::Nothing), &[p, phi])?;
        graph.apply(Broadcast { to: Shape::SCALAR, scale }, &[sum])
    }
}

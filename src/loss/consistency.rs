//! Consistency of two views.

use super::Link;
use crate::{
    Error, Result,
    graph::{Graph, Shape, Var},
    ops::{Binary, BinaryKind, Broadcast, Keep, Reduce},
};

/// Mean over pixels and channels of the squared difference of the probabilities that two views of a picture get: the
/// self-supervised term of SiGREnet's loss (section II.C), which needs no truth (Laine & Aila 2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// How probabilities are made.
    pub link: Link,
}

impl Consistency {
    /// Adds the loss of the logits `[N,H,W,C]` of two views. Returns the scalar loss.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ.
    pub fn build(self, graph: &mut Graph, one: Var, other: Var) -> Result<Var> {
        let shape = graph.shape(one);
        if shape != graph.shape(other) {
            let message = format!("wants two views of one shape, got {shape} and {}", graph.shape(other));
            return Err(Error::shape("consistency", message));
        }
        let [p, q] = [self.link.apply(graph, one)?, self.link.apply(graph, other)?];
        let off = graph.apply(Binary::new(BinaryKind::Sub), &[p, q])?;
        let sum = graph.apply(Reduce::sum_of_product(Keep::Nothing), &[off, off])?;
        graph.apply(Broadcast { to: Shape::SCALAR, scale: 1.0 / shape.count() as f32 }, &[sum])
    }
}

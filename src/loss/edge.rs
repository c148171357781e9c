//! Sobel-edge loss.

use super::Link;
use crate::{
    Error, Result,
    graph::{Graph, Shape, Var},
    ops::{Binary, BinaryKind, Broadcast, Conv2d, Geometry, Keep, Reduce},
};

/// Mean over pixels and channels of `(Gx p - Gx g)^2 + (Gy p - Gy g)^2`, with p the probability, g the truth and Gx, Gy
/// Sobel's derivatives across and down, divided by 8 so that a ramp of 1 a pixel has the derivative 1: the other form of the
/// boundary term of SiGREnet's loss (section II.C). Pixels at the frame, whose neighbours are not all known, do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// How probabilities are made.
    pub link: Link,
}

/// Sobel's derivative across, row by row, times 8.
const ACROSS: [f32; 9] = [-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0];
/// The same down.
const DOWN: [f32; 9] = [-1.0, -2.0, -1.0, 0.0, 0.0, 0.0, 1.0, 2.0, 1.0];

impl Edge {
    /// Adds the loss of `logits` against `target`, both `[N,H,W,C]`. Returns the scalar loss.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, or a picture has no pixel with all neighbours.
    pub fn build(self, graph: &mut Graph, logits: Var, target: Var) -> Result<Var> {
        let shape = graph.shape(logits);
        if shape != graph.shape(target) || shape.h < 3 || shape.w < 3 {
            let message = format!(
                "wants logits and target of one shape, 3x3 pixels or more, got {shape} and {}",
                graph.shape(target)
            );
            return Err(Error::shape("edge", message));
        }
        let p = self.link.apply(graph, logits)?;
        let off = graph.apply(Binary::new(BinaryKind::Sub), &[p, target])?;
        let inner = shape.n * (shape.h - 2) * (shape.w - 2) * shape.c;
        let mut squares = Vec::new();
        for (name, taps) in [("Sobel across", ACROSS), ("Sobel down", DOWN)] {
            let slope = derivative(graph, name, off, &taps)?;
            squares.push(graph.apply(Reduce::sum_of_product(Keep::Nothing), &[slope, slope])?);
        }
        let sum = graph.apply(Binary::new(BinaryKind::Add), &squares)?;
        graph.apply(Broadcast { to: Shape::SCALAR, scale: 1.0 / (64.0 * inner as f32) }, &[sum])
    }
}

/// Each channel of `x` convolved with `taps`, without padding.
fn derivative(graph: &mut Graph, name: &str, x: Var, taps: &[f32; 9]) -> Result<Var> {
    let channels = graph.shape(x).c;
    let op = Conv2d { sources: 1, bias: false, ..Conv2d::new(Geometry::square(3, 1, 0).grouped(channels)) };
    // The weight of a dense convolution has a row for each lane of the padded input.
    let rows = if channels == 1 { 4 } else { 1 };
    let weight = taps.iter().flat_map(|tap| {
        (0..rows).flat_map(move |row| std::iter::repeat_n(if row == 0 { *tap } else { 0.0 }, channels))
    });
    let weight = graph.constant(name, Shape::new(3, 3, rows, channels), weight.collect())?;
    graph.apply(op, &[x, weight])
}

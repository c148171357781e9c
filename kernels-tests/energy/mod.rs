//! The descents and what they are made of.

mod crf;
mod crf_kernel;
mod edge_mask;
mod entmax;
mod frangi;
mod hopfield;
mod kohonen;
mod laplacian;
mod neighbour_dots;
mod neighbours;
mod patches;
mod response;
mod settle;
mod som;
mod som_energy;
mod som_grad;
mod trace;

use gyre::{
    graph::{Array, Shape},
    ops::{check::Sample, energy::EdgeMask},
};

/// Maps of awkward sizes.
pub fn maps() -> Vec<Shape> {
    vec![Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 9, 1, 4), Shape::new(1, 11, 17, 3)]
}

/// Small ones, for differences of every number.
pub fn small() -> Vec<Shape> {
    vec![Shape::new(2, 3, 4, 5), Shape::new(1, 1, 1, 1), Shape::new(2, 4, 1, 3)]
}

/// A mask of steps, the same from both sides, as a picture of random numbers gives it.
pub fn mask(s: Shape) -> Array {
    let op = EdgeMask::new(1.2, 0.0);
    let sample = Sample::new("mask", op, &[s.with_c(1)]);
    sample.op.twin(&sample.inputs).remove(0)
}

/// A mask of numbers between 0 and 1.
pub fn soft_mask(s: Shape) -> Array {
    let op = EdgeMask::new(1.2, 0.7);
    let sample = Sample::new("soft mask", op, &[s.with_c(1)]);
    // Must be exact in f32, as the device sees it.
    sample.op.twin(&sample.inputs).remove(0).map(|v| f64::from(v as f32))
}

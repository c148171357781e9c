//! Samples of a step of the gated recurrent residual block.

use super::{ODD, Sample};
use crate::{
    graph::Shape,
    ops::{Act, GrrbStep},
};

/// A step on features of a shape.
pub fn grrb_step(op: GrrbStep, features: Shape) -> Sample {
    let [c, gate] = [features.c, if op.still_gate { 1 } else { 2 }];
    let sample = Sample::new(format!("{op:?} {features}"), op, &op.inputs(features)).forward_only();
    // Sums of many products stay in the range where the gate is not all open or shut.
    let narrow = move |v: f64| v / (c as f64).sqrt();
    sample.with(4, narrow).with(6, narrow).clear_padding_rows(4, &[c]).clear_padding_rows(6, &[c, c][..gate])
}

pub(super) fn grrb_steps() -> Vec<Sample> {
    let of = |still_input, still_gate, act| GrrbStep { still_input, still_gate, act };
    vec![
        grrb_step(of(false, false, Act::Identity), ODD),
        grrb_step(of(true, false, Act::Relu), Shape::new(1, 9, 17, 33)),
        grrb_step(of(false, true, Act::Identity), Shape::new(2, 3, 1, 68)),
        grrb_step(of(true, true, Act::Tanh), Shape::new(1, 1, 1, 2)),
    ]
}

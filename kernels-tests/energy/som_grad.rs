use gyre::{
    graph::{Operator, Shape},
    ops::{check::Sample, energy::SomGrad},
};

use super::som::RULES;

/// The twin is written from the derivative of each weight; `som` compares the same with finite differences.
#[test]
fn by_beliefs_and_edges() {
    for rule in RULES {
        for v in super::maps() {
            for (edges, anchor) in [(false, 0.0), (true, 0.25)] {
                let op = SomGrad { rule, rate: 0.4, anchor, edges };
                let label = format!("{op:?} {v}");
                let mut sample = Sample::new(label, op, &[v, v.with_c(4), v]).with(0, |v| 0.3 * v);
                sample.inputs[1] = super::soft_mask(v);
                crate::forward([sample.forward_only()]);
            }
        }
    }
}

#[test]
fn misfits_are_refused() {
    let v = Shape::new(1, 4, 4, 3);
    let op = SomGrad { rule: RULES[0], rate: 0.4, anchor: 0.0, edges: false };
    assert!(op.shapes(&[v, v, v]).is_err());
}

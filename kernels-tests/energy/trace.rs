use gyre::{
    graph::Shape,
    ops::{
        check::Sample,
        energy::{Rule, Som},
    },
};

/// More workgroups than one sum takes at once, and more energies than a vec4 holds.
#[test]
fn sums_of_many_workgroups() {
    let v = Shape::new(2, 70, 67, 5);
    let op = Som { traced: true, ..Som::new(Rule::Equilibrium { include_self: false }, 0.5, 6) };
    let mut sample = Sample::new("many", op, &[v, v.with_c(4)]);
    sample.inputs[1] = super::mask(v);
    crate::forward([sample.forward_only()]);
}

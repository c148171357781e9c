use gyre::ops::{
    check::Sample,
    energy::{SomEnergy, SomEnergyKind},
};

#[test]
fn pairs_and_edges() {
    for v in super::maps() {
        crate::forward([Sample::new(format!("pairs {v}"), SomEnergy::new(SomEnergyKind::Pairs), &[v])]);
        let mut sample =
            Sample::new(format!("edges {v}"), SomEnergy::new(SomEnergyKind::Edges), &[v, v.with_c(4)]);
        sample.inputs[1] = super::mask(v);
        crate::forward([sample.forward_only()]);
    }
    for v in super::small() {
        crate::both([Sample::new(format!("small {v}"), SomEnergy::new(SomEnergyKind::Pairs), &[v])]);
    }
}

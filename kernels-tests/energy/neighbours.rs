use gyre::{
    graph::{Operator, Shape},
    ops::{check::Sample, energy::Neighbours},
};

#[test]
fn sums_and_gradients() {
    for u in super::maps() {
        let op = Neighbours::new(0.7);
        crate::both([Sample::new(format!("{u}"), op, &[u.with_c(4), u])]);
        let adjoint = Neighbours { adjoint: true, ..op };
        crate::forward([Sample::new(format!("adjoint {u}"), adjoint, &[u.with_c(4), u]).forward_only()]);
    }
}

#[test]
fn misfits_are_refused() {
    let u = Shape::new(1, 4, 4, 3);
    assert!(Neighbours::new(1.0).shapes(&[u, u]).is_err());
}

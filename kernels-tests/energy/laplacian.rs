use gyre::{
    graph::{Operator, Shape},
    ops::{check::Sample, energy::Laplacian},
};

#[test]
fn grey_and_colour() {
    for s in super::maps() {
        for c in [1, 3] {
            crate::forward([Sample::new(format!("{s}, {c}"), Laplacian, &[s.with_c(c)]).forward_only()]);
        }
    }
}

#[test]
fn other_channels_are_refused() {
    assert!(Laplacian.shapes(&[Shape::new(1, 4, 4, 2)]).is_err());
}

use gyre::{
    graph::{Operator, Shape},
    ops::{Binary, BinaryKind, check::Sample},
};

#[test]
fn all_broadcasts() {
    let a = Shape::new(3, 5, 4, 7);
    let others = [a, Shape::new(3, 1, 1, 7), Shape::new(3, 5, 4, 1), Shape::channels(7), Shape::SCALAR];
    for kind in [BinaryKind::Add, BinaryKind::Sub, BinaryKind::Mul] {
        for b in others {
            crate::both([Sample::new(format!("{kind:?} {b}"), Binary::new(kind), &[a, b])]);
        }
    }
}

#[test]
fn one_channel_and_one_pixel() {
    for (a, b) in [
        (Shape::new(2, 3, 4, 1), Shape::new(2, 1, 1, 1)),
        (Shape::new(2, 1, 1, 5), Shape::channels(5)),
        (Shape::new(1, 3, 4, 5), Shape::new(1, 1, 1, 5)),
    ] {
        crate::both([Sample::new(format!("{a} {b}"), Binary::new(BinaryKind::Mul), &[a, b])]);
    }
}

#[test]
fn other_shapes_are_refused() {
    let error = Binary::new(BinaryKind::Add).shapes(&[Shape::new(2, 3, 4, 5), Shape::new(2, 3, 1, 5)]);
    assert!(error.unwrap_err().to_string().contains("2x3x1x5"));
}

use gyre::{
    graph::{Operator, Shape},
    ops::{Conv2dWeightGrad, Geometry, check::Sample},
};

fn op(geometry: Geometry, first_row: usize) -> Conv2dWeightGrad {
    Conv2dWeightGrad { geometry, first_row }
}

#[test]
fn adds_into_the_rows_of_its_source() {
    let g = Geometry::square(3, 1, 1);
    let (x, dy) = (Shape::new(2, 7, 9, 8), Shape::new(2, 7, 9, 13));
    crate::forward([
        Sample::new("first source", op(g, 0), &[x, dy, Shape::new(3, 3, 20, 13)]),
        Sample::new("second source", op(g, 12), &[x, dy, Shape::new(3, 3, 20, 13)]),
    ]);
}

#[test]
fn many_shares() {
    let g = Geometry::square(1, 1, 0);
    let shapes = [Shape::new(3, 40, 5, 4), Shape::new(3, 40, 5, 4), Shape::new(1, 1, 4, 4)];
    crate::forward([Sample::new("tall", op(g, 0), &shapes)]);
}

#[test]
fn misfits_are_refused() {
    let g = Geometry::square(3, 1, 1);
    let shapes = [Shape::new(2, 7, 9, 8), Shape::new(2, 6, 9, 13), Shape::new(3, 3, 8, 13)];
    assert!(op(g, 0).shapes(&shapes).is_err());
}

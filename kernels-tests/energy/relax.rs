use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Relax, check::Sample},
};

#[test]
fn towards_and_along() {
    for rate in [0.1, 1.0, -2.5] {
        for x in [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 1, 9, 1)] {
            for inputs in 2..=3 {
                let label = format!("{rate} {x} of {inputs}");
                crate::both([Sample::new(label, Relax { rate }, &vec![x; inputs])]);
            }
        }
    }
}

#[test]
fn all_the_way_is_there() {
    let of = |v: f64| Array { shape: Shape::SCALAR, data: vec![v] };
    assert_eq!(Relax { rate: 1.0 }.twin(&[of(3.0), of(5.0)])[0], of(5.0));
    assert_eq!(Relax { rate: 0.5 }.twin(&[of(3.0), of(5.0), of(1.0)])[0], of(5.0));
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 3, 4);
    let op = Relax { rate: 0.1 };
    assert!(op.shapes(&[x]).is_err() && op.shapes(&[x; 4]).is_err());
    assert!(op.shapes(&[x, x.with_c(5)]).is_err());
    assert!(Relax { rate: f32::NAN }.shapes(&[x, x]).is_err());
}

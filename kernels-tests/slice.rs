use gyre::{
    graph::{Operator, Shape},
    ops::{Slice, check::Sample},
};

#[test]
fn ranges_and_their_adjoints() {
    for size in [Shape::new(3, 5, 3, 13), Shape::new(2, 1, 1, 13)] {
        for range in [0..13, 0..1, 12..13, 4..8, 4..13, 5..11, 0..6, 8..10] {
            let x = size.with_c(range.len());
            let (part, back) = (Slice::new(range.clone()), Slice::spread(range.clone(), 13));
            crate::both([
                Sample::new(format!("{range:?} of {size}"), part, &[size]),
                Sample::new(format!("{range:?} into {size}"), back, &[x]),
            ]);
        }
    }
    crate::both([Sample::new("one channel", Slice::new(0..1), &[Shape::new(2, 3, 3, 1)])]);
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 3, 4);
    assert!(Slice::new(2..5).shapes(&[x]).unwrap_err().to_string().contains("2..5 of 4"));
    assert!(Slice::new(2..2).shapes(&[x]).is_err());
    assert!(Slice::spread(0..3, 8).shapes(&[x]).is_err());
}

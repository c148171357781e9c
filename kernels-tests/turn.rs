use gyre::{
    graph::{Operator, Shape},
    ops::{Turn, check::Sample},
};

#[test]
fn all_turns_and_mirror_images() {
    for size in
        [Shape::new(3, 5, 7, 13), Shape::new(2, 1, 6, 4), Shape::new(1, 4, 4, 1), Shape::new(1, 1, 1, 2)]
    {
        for quarters in 0..4 {
            for mirrored in [false, true] {
                let turn = Turn { quarters, mirrored };
                crate::both([Sample::new(format!("{turn:?} of {size}"), turn, &[size])]);
            }
        }
    }
}

#[test]
fn more_than_three_quarters_are_refused() {
    assert!(Turn::by(4).shapes(&[Shape::SCALAR]).unwrap_err().to_string().contains("4 quarters"));
}

use gyre::{
    graph::{Operator, Shape},
    ops::{Resize, ResizeGrad, check::Sample},
};

#[test]
fn is_its_own_operator() {
    let input = Shape::new(2, 3, 5, 6);
    for resize in [Resize::nearest([7, 4]), Resize::bilinear([7, 4], false)] {
        let op = ResizeGrad { resize, input };
        crate::both([Sample::new(format!("{resize:?}"), op, &[Shape::new(2, 7, 4, 6)])]);
    }
}

#[test]
fn misfits_are_refused() {
    let op = ResizeGrad { resize: Resize::nearest([4, 4]), input: Shape::new(1, 2, 2, 3) };
    assert!(op.shapes(&[Shape::new(1, 4, 5, 3)]).is_err());
}

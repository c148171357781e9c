use gyre::{
    graph::{Array, Operator, Shape},
    ops::{check::Sample, energy::Patches},
};

#[test]
fn cut_and_joined() {
    for (size, x) in [
        (1, Shape::new(3, 5, 7, 13)),
        (2, Shape::new(3, 2, 6, 1)),
        (3, Shape::new(1, 9, 3, 13)),
        (4, Shape::new(2, 4, 8, 4)),
        (5, Shape::new(3, 5, 5, 3)),
        (1, Shape::new(1, 1, 1, 1)),
    ] {
        let cut = Patches::cut(size);
        let rows = cut.shapes(&[x]).expect("fits")[0];
        crate::both([
            Sample::new(format!("{size} of {x}"), cut, &[x]),
            Sample::new(format!("{size} to {x}"), Patches::join(size), &[rows]),
        ]);
    }
}

#[test]
fn channels_go_slowest() {
    // Two patches of 2 x 2 pixels with two channels; the tens count channels.
    let x = Array::from_fn(Shape::new(1, 2, 4, 2), |_, h, w, c| (10 * c + 4 * h + w) as f64);
    let rows = Patches::cut(2).twin(std::slice::from_ref(&x)).remove(0);
    assert_eq!(rows.shape, Shape::new(1, 1, 2, 8));
    let first = [0.0, 1.0, 4.0, 5.0, 10.0, 11.0, 14.0, 15.0];
    let second = first.map(|v| v + 2.0);
    assert_eq!(rows.data, [first, second].concat());
    assert_eq!(Patches::join(2).twin(&[rows])[0], x);
}

#[test]
fn misfits_are_refused() {
    let refusal = |op: Patches, x: Shape| op.shapes(&[x]).expect_err("no fit").to_string();
    let told = refusal(Patches::cut(3), Shape::new(1, 6, 8, 2));
    assert!(told.contains("3 x 3") && told.contains("divides both 6 and 8"), "{told}");
    assert!(refusal(Patches::cut(0), Shape::new(1, 6, 8, 2)).contains("no patches"));
    let told = refusal(Patches::join(2), Shape::new(1, 6, 8, 6));
    assert!(told.contains("6 channels"), "{told}");
    assert!(Patches::cut(2).shapes(&[Shape::SCALAR; 2]).is_err());
}

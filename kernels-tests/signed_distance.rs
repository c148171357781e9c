use gyre::{
    graph::{Array, Operator, Shape},
    ops::{SignedDistance, check::Sample},
};

fn sample(shape: Shape, skip_background: bool, of: impl Fn(f64) -> f64) -> Sample {
    let op = SignedDistance { skip_background };
    Sample::new(format!("{shape} {skip_background}"), op, &[shape]).with(0, of).forward_only()
}

#[test]
fn any_shape_and_mask() {
    for shape in
        [Shape::new(3, 5, 7, 13), Shape::new(2, 17, 9, 2), Shape::new(1, 40, 1, 3), Shape::new(1, 1, 30, 1)]
    {
        for skip in [false, true] {
            crate::forward([
                sample(shape, skip, |v| f64::from(v > 0.0)),
                sample(shape, skip, |v| f64::from(v > 1.7)),
                sample(shape, skip, |_| 0.0),
                sample(shape, skip, |_| 1.0),
            ]);
        }
    }
}

#[test]
fn distances_of_a_square() {
    let inside = |y: usize, x: usize| (2..5).contains(&y) && (2..5).contains(&x);
    let mask = Array::from_fn(Shape::new(1, 7, 8, 1), |_, y, x, _| f64::from(u8::from(inside(y, x))));
    let made = &SignedDistance::default().twin(&[mask])[0];
    let at = |y: usize, x: usize| made.at(0, y, x, 0);
    assert_eq!((at(3, 3), at(2, 2), at(3, 1), at(3, 7)), (-1.0, 0.0, 1.0, 3.0));
    assert_eq!(at(0, 0), 8f64.sqrt());
}

use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Median, check::Sample},
};

#[test]
fn any_shape() {
    for x in
        [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 1, 9, 2), Shape::new(1, 33, 2, 4)]
    {
        crate::forward([Sample::new(x.to_string(), Median { each: false }, &[x]).forward_only()]);
    }
}

#[test]
fn some_pictures_alone() {
    let x = Shape::new(3, 6, 5, 3);
    let mut sample = Sample::new("some", Median { each: true }, &[x, Shape::new(3, 1, 1, 1)]).forward_only();
    sample.inputs[1] = Array { data: vec![0.0, 1.0, 0.0], ..sample.inputs[1].clone() };
    crate::forward([sample]);
}

#[test]
fn single_odd_pixels_go_and_edges_stay() {
    let step = Array::from_fn(Shape::new(1, 8, 8, 1), |_, _, w, _| if w < 4 { 0.0 } else { 1.0 });
    let mut spoiled = step.clone();
    spoiled.data[3 * 8 + 2] = 9.0;
    assert_eq!(Median { each: false }.twin(&[spoiled])[0], step);
}

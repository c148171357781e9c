use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Median, check::Sample},
};

#[test]
fn any_shape() {
    for x in
        [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 1, 9, 2), Shape::new(1, 33, 2, 4)]
    {
        for size in [3, 5] {
            let op = Median { size, each: false };
            crate::forward([Sample::new(format!("{size} {x}"), op, &[x]).forward_only()]);
        }
    }
}

#[test]
fn some_pictures_alone() {
    let x = Shape::new(3, 6, 5, 3);
    for size in [3, 5] {
        let op = Median { size, each: true };
        let mut sample = Sample::new(format!("some {size}"), op, &[x, Shape::new(3, 1, 1, 1)]).forward_only();
        sample.inputs[1] = Array { data: vec![0.0, 1.0, 0.0], ..sample.inputs[1].clone() };
        crate::forward([sample]);
    }
}

#[test]
fn single_odd_pixels_go_and_edges_stay() {
    let step = Array::from_fn(Shape::new(1, 8, 8, 1), |_, _, w, _| if w < 4 { 0.0 } else { 1.0 });
    let mut spoiled = step.clone();
    spoiled.data[3 * 8 + 2] = 9.0;
    assert_eq!(Median { size: 3, each: false }.twin(&[spoiled])[0], step);
}

/// Of many equal values, too, the one in the middle is found.
#[test]
fn ties() {
    let x = Array::from_fn(Shape::new(2, 7, 9, 5), |n, h, w, c| ((n + 3 * h + 5 * w + c) % 4) as f64);
    for size in [3, 5] {
        let op = Median { size, each: false };
        let mut sample = Sample::new(format!("ties {size}"), op, &[x.shape]).forward_only();
        sample.inputs[0] = x.clone();
        crate::forward([sample]);
    }
}

#[test]
fn other_sizes_are_refused() {
    let error = Median { size: 4, each: false }.shapes(&[Shape::new(1, 4, 4, 1)]).unwrap_err();
    assert!(error.to_string().contains("3 or 5"));
}

use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Blur, check::Sample},
};

#[test]
fn along_both_axes() {
    for x in [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 31, 4, 2)] {
        for (sigma, across) in [(0.3, true), (1.0, false), (6.0, true), (6.0, false)] {
            let op = Blur { sigma, across, scale: 0.7, each: false };
            crate::forward([Sample::new(format!("{sigma} {across} {x}"), op, &[x]).forward_only()]);
        }
    }
}

#[test]
fn each_picture_by_its_own_deviation() {
    let x = Shape::new(3, 9, 11, 5);
    for across in [true, false] {
        let op = Blur { sigma: 2.0, across, scale: 1.0, each: true };
        let mut sample = Sample::new("each", op, &[x, Shape::new(3, 1, 1, 1)]).forward_only();
        sample.inputs[1] = Array { data: vec![0.0, 2.0, 0.7], ..sample.inputs[1].clone() };
        crate::forward([sample]);
    }
}

#[test]
fn what_is_constant_stays_so() {
    let x = Array::zeros(Shape::new(1, 4, 9, 1)).map(|_| 3.0);
    let y = Blur { sigma: 2.0, across: true, scale: 2.0, each: false }.twin(&[x]).swap_remove(0);
    assert!(y.data.iter().all(|v| (v - 6.0).abs() < 1e-12));
}

#[test]
fn deviations_must_be_positive() {
    for sigma in [0.0, -1.0, f32::NAN, 1e9] {
        let op = Blur { sigma, across: true, scale: 1.0, each: false };
        assert!(op.shapes(&[Shape::new(1, 4, 4, 1)]).unwrap_err().to_string().contains("deviation"));
    }
}

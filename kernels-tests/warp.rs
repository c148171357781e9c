use gyre::{
    graph::{Array, Operator, Shape},
    ops::{WORDS, Warp, samples::samples},
};

#[test]
fn samples_of_the_doctor() {
    crate::forward(samples().into_iter().filter(|s| s.op.name() == "warp"));
}

/// What a matrix and a change of values make of a picture and its target.
fn warped(matrix: [[f64; 3]; 3], change: [f64; 4], picture: &Array, target: &Array) -> Vec<Array> {
    let moves = Array::from_fn(Shape::new(1, 1, 4, 4), |_, _, r, i| match r {
        3 => change[i],
        _ => matrix[r].get(i).copied().unwrap_or(0.0),
    });
    let words = Array { shape: WORDS, data: vec![1.0, 2.0, 3.0, 4.0] };
    Warp { bent: false, salt: 0 }.twin(&[picture.clone(), target.clone(), moves, words])
}

const STILL: [f64; 4] = [1.0, 0.0, 0.0, 0.0];

#[test]
fn turns_and_flips_are_exact() {
    let picture = Array::from_fn(Shape::new(1, 4, 4, 1), |_, y, x, _| (4 * y + x) as f64);
    let target = picture.map(|v| v % 3.0);
    let same = warped([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], STILL, &picture, &target);
    assert_eq!((same[0].data.clone(), same[1].data.clone()), (picture.data.clone(), target.data.clone()));
    let flipped = warped([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], STILL, &picture, &target);
    assert_eq!(flipped[0].data[..4], [3.0, 2.0, 1.0, 0.0]);
    let turned = warped([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], STILL, &picture, &target);
    assert_eq!(turned[0].data[..4], [3.0, 7.0, 11.0, 15.0]);
    assert_eq!(turned[1].data[..4], [0.0, 1.0, 2.0, 0.0]);
}

#[test]
fn borders_are_mirrors_and_values_change() {
    let picture = Array::from_fn(Shape::new(1, 1, 4, 1), |_, _, x, _| x as f64);
    let moved = warped(
        [[1.0, 0.0, -2.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [2.0, 0.5, 0.0, 0.0],
        &picture,
        &picture,
    );
    assert_eq!(moved[0].data, [2.5, 0.5, 0.5, 2.5]);
    assert_eq!(moved[1].data, [1.0, 0.0, 0.0, 1.0]);
    let halfway = warped([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], STILL, &picture, &picture);
    assert_eq!(halfway[0].data, [0.5, 1.5, 2.5, 3.0]);
}

#[test]
fn noise_is_normal() {
    let picture = Array::zeros(Shape::new(1, 100, 100, 3));
    let still = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let noisy = warped(still, [1.0, 0.0, 0.5, 0.0], &picture, &picture).swap_remove(0).data;
    let moment = |power: i32| noisy.iter().map(|v| (2.0 * v).powi(power)).sum::<f64>() / noisy.len() as f64;
    assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03 && (moment(4) - 3.0).abs() < 0.2);
}

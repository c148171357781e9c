use gyre::{
    graph::{Array, Operator, Shape},
    ops::{TopK, check::Sample},
};

fn sample(k: usize, at_least: Option<f32>, shape: Shape, of: impl Fn(f64) -> f64) -> Sample {
    let sample = Sample::new(format!("{k} {at_least:?} {shape}"), TopK { k, at_least }, &[shape]);
    sample.with(0, of).constants(&[0]).forward_only()
}

#[test]
fn any_number_of_any_scores_with_ties() {
    for shape in [Shape::new(3, 8, 8, 1), Shape::new(2, 5, 7, 1), Shape::new(2, 1, 13, 1), Shape::SCALAR] {
        let all = shape.h * shape.w;
        for k in [1, 3.min(all), all / 2 + 1, all] {
            for at_least in [None, Some(0.0), Some(1.0), Some(9.0)] {
                crate::forward([
                    sample(k, at_least, shape, |v| v),
                    sample(k, at_least, shape, f64::round),
                    sample(k, at_least, shape, |_| 0.5),
                ]);
            }
        }
    }
}

#[test]
fn the_first_of_equals_comes_first() {
    let scores = Array { shape: Shape::new(1, 2, 3, 1), data: vec![0.1, 0.5, 0.2, 0.5, -0.5, 0.5] };
    let of = |k, at_least| TopK { k, at_least }.twin(std::slice::from_ref(&scores));
    assert_eq!(of(2, None)[0].data, [1.0, 3.0]);
    assert_eq!(of(4, None)[0].data, [1.0, 3.0, 5.0, 2.0]);
    assert_eq!(of(6, None)[1].data, [4.0, 0.0, 3.0, 1.0, 5.0, 2.0]);
    assert_eq!(of(5, Some(0.2))[0].data, [1.0, 3.0, 5.0, 2.0, -1.0]);
    assert_eq!(of(5, Some(0.2))[1].data, [-1.0, 0.0, 3.0, 1.0, -1.0, 2.0]);
}

#[test]
fn what_is_no_number_comes_first_and_counts() {
    let scores = Array { shape: Shape::new(1, 1, 4, 1), data: vec![0.3, f64::NAN, -0.0, 0.4] };
    let of = |at_least| TopK { k: 3, at_least }.twin(std::slice::from_ref(&scores))[0].data.clone();
    assert_eq!(of(None), [1.0, 3.0, 0.0]);
    assert_eq!(of(Some(0.35)), [1.0, 3.0, -1.0]);
    for at_least in [None, Some(0.0), Some(0.5)] {
        let nans = |v: f64| if v > 0.5 { f64::NAN } else { v };
        crate::forward([sample(5, at_least, Shape::new(2, 3, 5, 1), nans)]);
    }
}

#[test]
fn misfits_are_refused() {
    for (k, shape) in [(0, Shape::new(1, 2, 2, 1)), (5, Shape::new(1, 2, 2, 1)), (1, Shape::new(1, 2, 2, 2))]
    {
        assert!(TopK { k, at_least: None }.shapes(&[shape]).is_err(), "{k} {shape}");
    }
}

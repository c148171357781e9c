use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Noise, WORDS, check::Sample},
};

#[test]
fn numbers_are_those_of_the_twin() {
    for shape in [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 16, 9, 2)] {
        for salt in [0, 9] {
            let sample = Sample::new(format!("{shape} {salt}"), Noise { shape, salt }, &[WORDS]);
            crate::forward([sample.constants(&[0]).forward_only()]);
        }
    }
}

#[test]
fn they_fill_their_range_evenly() {
    let words = Array { shape: WORDS, data: [1u32, 2, 3, 4].map(|w| f64::from(f32::from_bits(w))).to_vec() };
    let of = |salt: u32| {
        Noise { shape: Shape::new(1, 100, 100, 2), salt }
            .twin(std::slice::from_ref(&words))
            .swap_remove(0)
            .data
    };
    let (first, other) = (of(0), of(1));
    let mean = first.iter().sum::<f64>() / first.len() as f64;
    let square = first.iter().map(|v| v * v).sum::<f64>() / first.len() as f64;
    assert!(mean.abs() < 0.02 && (square - 1.0 / 3.0).abs() < 0.01, "{mean} {square}");
    assert!(first.iter().all(|v| (-1.0..1.0).contains(v)));
    assert!(first.iter().zip(&other).filter(|(a, b)| a == b).count() < 5);
}

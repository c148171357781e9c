use gyre::{
    graph::{Array, Operator, Shape},
    ops::{ConfusionCounts, check::Sample},
};

/// Chances in 0 to 1 with ties, and truths of which some are no class.
fn sample(p: Shape, threshold: f32) -> Sample {
    let op = ConfusionCounts { threshold };
    let mut sample =
        Sample::new(format!("{p} {threshold}"), op, &[p, p.with_c(1)]).forward_only().constants(&[0, 1]);
    let classes = p.c.max(2) + 1;
    sample.inputs[0] = Array::from_fn(p, |n, y, x, c| ((7 * n + 5 * y + 3 * x + 2 * c * c) % 4) as f64 / 4.0);
    sample.inputs[1] = Array::from_fn(p.with_c(1), |n, y, x, _| ((n + y * 3 + x) % classes) as f64);
    sample
}

#[test]
fn any_number_of_classes() {
    for p in [(3, 5, 7, 1), (1, 1, 1, 1), (2, 40, 31, 2), (2, 9, 11, 5), (1, 16, 16, 32)] {
        let p = Shape::new(p.0, p.1, p.2, p.3);
        crate::forward([sample(p, 0.5), sample(p, 0.25)]);
    }
}

#[test]
fn all_pixels_are_counted() {
    let mut sample = sample(Shape::new(1, 12, 10, 3), 0.5);
    sample.inputs[1] = sample.inputs[1].map(|class| class.min(2.0));
    let counts = ConfusionCounts { threshold: 0.5 }.twin(&sample.inputs).swap_remove(0);
    assert_eq!(counts.data.iter().sum::<f64>(), 120.0);
}

#[test]
fn too_many_classes_are_refused() {
    let p = Shape::new(1, 4, 4, 33);
    let refused = ConfusionCounts { threshold: 0.5 }.shapes(&[p, p.with_c(1)]).unwrap_err().to_string();
    assert!(refused.contains("32 classes"), "{refused}");
}

use gyre::{
    graph::Shape,
    ops::{Act, Activation, check::Sample},
};

#[test]
fn activations_and_gradients() {
    for act in Act::ALL {
        for shape in [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 3, 3, 8)] {
            let sample = |what: &str, op| Sample::new(format!("{what} {} {shape}", act.name()), op, &[shape]);
            // Twice the range, so that the flat parts of ReLU6 and hardswish are met.
            crate::both([sample("plain", Activation::new(act)).with(0, |v| 4.0 * v)]);
        }
    }
}

#[test]
fn far_from_zero() {
    for act in Act::ALL {
        let op = Activation::new(act);
        let far = Sample::new(format!("far {}", act.name()), op, &[Shape::new(1, 4, 5, 3)]);
        crate::forward([far.with(0, |v| 60.0 * v)]);
    }
}

use gyre::{
    graph::{Operator, Shape},
    ops::{check::Sample, energy::CrfKernel},
};

#[test]
fn likeness_and_gradients() {
    for x in super::small().into_iter().chain(super::maps().into_iter().take(1)) {
        for normalised in [true, false] {
            let op = CrfKernel::new(1.5, normalised);
            // Channels add up, and likeness of what differs by much is nothing.
            crate::both([Sample::new(format!("{op:?} {x}"), op, &[x]).with(0, |v| 0.4 * v)]);
        }
    }
}

#[test]
fn sums_to_one_over_the_neighbours_that_exist() {
    let x = Shape::new(2, 5, 6, 3);
    let sample = Sample::new("sum", CrfKernel::new(0.8, true), &[x]);
    let made = sample.op.twin(&sample.inputs).remove(0);
    assert!(made.data.chunks(4).all(|k| (k.iter().sum::<f64>() - 1.0).abs() < 1e-12));
}

/// Differences far beyond what an exponential can hold.
#[test]
fn far_apart() {
    let x = Shape::new(1, 6, 5, 1);
    crate::forward([Sample::new("far", CrfKernel::new(0.05, true), &[x]).forward_only()]);
}

#[test]
fn bad_bandwidths_are_refused() {
    let x = Shape::new(1, 4, 4, 3);
    for bandwidth in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(CrfKernel::new(bandwidth, true).shapes(&[x]).is_err(), "{bandwidth}");
    }
}

use gyre::ops::{check::Sample, energy::Response};

#[test]
fn values_and_gradients() {
    for v in super::small().into_iter().chain(super::maps().into_iter().take(1)) {
        crate::both([Sample::new(format!("{v}"), Response::new(), &[v])]);
    }
}

/// The identity that the paper's sum over pairs becomes.
#[test]
fn is_the_sum_over_pairs() {
    for v in super::maps() {
        let sample = Sample::new(format!("pairs {v}"), Response::new(), &[v]);
        let made = sample.op.twin(&sample.inputs).remove(0);
        for (r, v) in made.data.iter().zip(sample.inputs[0].data.chunks_exact(v.c)) {
            let pairs: f64 = v.iter().flat_map(|a| v.iter().map(move |b| 0.5 * (a - b).powi(2))).sum();
            assert!((r - pairs).abs() < 1e-9 * pairs.max(1.0), "{r} {pairs}");
        }
    }
}

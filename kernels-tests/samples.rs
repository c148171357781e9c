use std::collections::BTreeSet;

use gyre::{
    gpu,
    ops::{check::Sample, samples::samples},
};

#[test]
fn all_hold() {
    for sample in samples() {
        if sample.has_gradient() {
            crate::both([sample]);
        } else {
            crate::forward([sample]);
        }
    }
}

/// Shader folders of rooms other than the operators'.
const ELSEWHERE: [&str; 5] = ["bench/", "shared/", "embed/", "loss/", "optim/"];

#[test]
fn every_kernel_is_reached() {
    let context = crate::context();
    let mut all = samples();
    if context.tier.f16 {
        all.extend(samples().iter().map(Sample::halved));
    }
    let reached: BTreeSet<&str> = all.iter().flat_map(|s| s.shaders(context).expect("lowers")).collect();
    // What runs on matrix units is reached where there are any.
    let able = |name: &&str| context.matrices.is_some() || !name.ends_with("/matrix");
    let kernels = gpu::sources().iter().map(|s| s.0).filter(able);
    let kernels = kernels.filter(|name| !ELSEWHERE.iter().any(|e| name.starts_with(e)));
    let missed: Vec<&str> = kernels.filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "no sample runs {missed:?}");
}

#[test]
fn overflows_of_half_are_infinite() {
    if crate::context().tier.f16 {
        gyre::ops::check::check_overflow(crate::context()).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn labels_tell_samples_apart() {
    let mut seen = BTreeSet::new();
    for sample in samples() {
        let name = format!("{} {}", sample.op.name(), sample.label);
        assert!(seen.insert(name.clone()), "{name} appears twice");
    }
}

use std::collections::BTreeSet;

use gyre::{
    gpu,
    graph::{Graph, Init, Layout, Shape},
    ops::{Conv2d, Geometry, add, check::Sample, samples::samples},
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

/// Forms of the convolutions in a graph.
fn forms(graph: &Graph) -> BTreeSet<String> {
    let device = crate::context().capabilities();
    let named = |node| graph.forms_of(node, &device).map_or(Vec::new(), |forms| forms.names);
    graph.nodes.iter().flat_map(named).collect()
}

#[test]
fn every_form_of_wide_layers_is_reached() {
    let reached: BTreeSet<String> =
        samples().iter().flat_map(|s| s.graphs().expect("builds")).flat_map(|g| forms(&g)).collect();
    for train in [false, true] {
        let mut graph = Graph::new();
        let x = graph.input("x", Shape::new(4, 128, 128, 512));
        let layout = Layout::Conv { out: 512, sources: vec![512], kernel: [3, 3] };
        let w = graph.param("w", layout, Init::Constant(0.0));
        let y = graph.apply(Conv2d::new(Geometry::square(3, 1, 1)), &[x, w]).unwrap();
        if train {
            let dy = graph.input("dy", graph.shape(y));
            graph.backward(y, dy, &[x], add).unwrap();
        }
        let missed: Vec<_> = forms(&graph).difference(&reached).cloned().collect();
        assert!(missed.is_empty(), "no sample runs {missed:?}");
    }
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

use gyre::{
    graph::{Graph, Operator, Precision, Shape},
    ops::{Pool, PoolKind, check::Sample},
};

const SHAPES: [Shape; 3] = [Shape::new(3, 7, 9, 13), Shape::new(1, 5, 4, 1), Shape::new(2, 8, 8, 4)];

#[test]
fn kernels_strides_and_padding() {
    for (k, s, p) in [(2, 2, 0), (3, 2, 1), (3, 1, 1), (2, 3, 1), (1, 1, 0), (4, 1, 2)] {
        for pool in [Pool::max(k, s, p), Pool::average(k, s, p)] {
            for x in SHAPES {
                crate::both([Sample::new(format!("{pool:?} {x}"), pool, &[x])]);
            }
        }
    }
}

#[test]
fn uneven_windows() {
    for kind in [PoolKind::Max, PoolKind::Average] {
        let pool = Pool { kind, kernel: [3, 2], stride: [1, 3], pad: [1, 0] };
        crate::both([Sample::new(format!("{pool:?}"), pool, &[Shape::new(2, 4, 9, 6)])]);
    }
}

#[test]
fn one_pixel() {
    for pool in [Pool::max(3, 2, 1), Pool::average(3, 2, 1), Pool::max(1, 1, 0)] {
        crate::both([Sample::new(format!("{pool:?}"), pool, &[Shape::new(3, 1, 1, 5)])]);
    }
}

#[test]
fn below_zero_padding_never_wins() {
    let negative = Sample::new("negative", Pool::max(3, 2, 1), &[Shape::new(1, 5, 5, 3)]);
    crate::forward([negative.with(0, |v| -v.abs() - 1.0)]);
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 8, 4);
    assert!(Pool::max(3, 1, 0).shapes(&[x]).unwrap_err().to_string().contains("1x2x8x4"));
    assert!(Pool::max(3, 1, 2).shapes(&[x]).is_err());
    assert!(Pool::average(3, 0, 1).shapes(&[x]).is_err());
}

/// Else its gradient would not find it again.
#[test]
fn a_maximum_is_as_precise_as_what_it_is_of() {
    let mut graph = Graph::new();
    let x = graph.input("x", Shape::new(1, 4, 4, 4));
    let max = graph.apply(Pool::max(2, 2, 0), &[x]).unwrap();
    let mean = graph.apply(Pool::average(2, 2, 0), &[x]).unwrap();
    let precision = |graph: &Graph| [x, max, mean].map(|v| graph.vars[v.index()].precision);
    graph.mixed();
    assert_eq!(precision(&graph), [Precision::F32, Precision::F32, Precision::F16]);
    graph.halve(&[x, max]);
    assert_eq!(precision(&graph), [Precision::F16; 3]);
}

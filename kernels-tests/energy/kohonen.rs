use gyre::{
    graph::{Array, Graph, Operator, Plan, Shape},
    ops::{check::Sample, energy::Kohonen},
};

/// A map of rows and columns, and a number of samples.
fn sample(rate: f32, map: [usize; 2], channels: usize, count: usize) -> Sample {
    let map = Shape::new(1, map[0], map[1], channels);
    let samples = Shape::new(1, 1, count, channels);
    Sample::new(format!("{rate} {map} {count}"), Kohonen { rate }, &[map, samples]).forward_only()
}

#[test]
fn any_shape() {
    for (map, channels, count) in [
        ([5, 7], 13, 20),
        ([1, 1], 1, 1),
        ([1, 9], 3, 7),
        ([8, 8], 4, 30),
        ([13, 1], 1, 9),
        ([9, 11], 2, 65),
        ([2, 2], 70, 5),
    ] {
        for rate in [0.0, 0.1, 1.0] {
            crate::forward([sample(rate, map, channels, count)]);
        }
    }
}

/// Quarters moved by halves are exact in f32 for long, and many are equally far from many.
fn quarters(v: f64) -> f64 {
    (4.0 * v).round() / 4.0
}

#[test]
fn of_equal_units_the_first_learns() {
    for (map, channels, count) in [([9, 8], 1, 12), ([20, 20], 2, 30), ([3, 3], 1, 3)] {
        let ties = sample(0.5, map, channels, count).with(0, quarters).with(1, quarters);
        crate::forward([ties]);
    }
    // All units alike: the first in order of rows and its two neighbours.
    let one = sample(0.5, [3, 70], 2, 1).with(0, |_| 0.5).with(1, |_| 1.5);
    let map = one.op.twin(&one.inputs).remove(0);
    let moved = |h: usize, w: usize| map.at(0, h, w, 0) == 1.0;
    assert!(moved(0, 0) && moved(0, 1) && moved(1, 0));
    assert_eq!(map.data.iter().filter(|v| **v == 1.0).count(), 6);
    crate::forward([one]);
}

#[test]
fn long_lists_take_several_dispatches() {
    let long = sample(0.5, [40, 40], 13, 600).with(0, quarters).with(1, quarters);
    let mut graph = Graph::new();
    let inputs: Vec<_> = long.inputs.iter().map(|a| graph.input("input", a.shape)).collect();
    graph.push(long.op.clone(), &inputs).expect("fits");
    let plan = Plan::new(&graph, crate::context()).expect("lowers");
    let passes = plan.passes.iter().filter(|p| p.dispatch.variant.file == "energy/kohonen/pass").count();
    assert_eq!(passes, 600usize.div_ceil(Kohonen::samples_a_dispatch(long.inputs[0].shape)));
    assert!(passes > 2, "{passes}");
    crate::forward([long]);
}

/// A map by hand: three units in a row at 0, 1 and 5, a sample at 4.
#[test]
fn one_sample_by_hand() {
    let mut one = sample(0.5, [1, 3], 1, 1);
    one.inputs[0].data = vec![0.0, 1.0, 5.0];
    one.inputs[1].data = vec![4.0];
    let [map, energy] = one.op.twin(&one.inputs).try_into().expect("two outputs");
    assert_eq!(map.data, [0.0, 2.5, 4.5]);
    // (5 - 4)^2 + (1 - 4)^2 over five.
    assert_eq!(energy.data, [2.0]);
    crate::forward([one]);
}

#[test]
fn energy_falls_on_clusters() {
    let mut clusters = sample(0.2, [6, 6], 3, 90);
    // Three heaps a tenth of their distance wide.
    clusters.inputs[1] = Array::from_fn(clusters.inputs[1].shape, |_, _, i, c| {
        let jitter = ((i * 37 + c * 11) % 19) as f64 / 19.0 - 0.5;
        f64::from((if i % 3 == c { 2.0 } else { 0.0 } + 0.2 * jitter) as f32)
    });
    let mut energies = Vec::new();
    for _ in 0..6 {
        crate::forward([clusters.clone()]);
        let [map, energy] = clusters.op.twin(&clusters.inputs).try_into().expect("two outputs");
        energies.push(energy.data[0]);
        clusters.inputs[0] = map.map(|v| f64::from(v as f32));
    }
    // Neighbours are always drawn along, so that it comes to move about a low value.
    assert!(energies[1..].iter().all(|e| *e < 0.25 * energies[0]), "{energies:?}");
}

#[test]
fn misfits_are_refused() {
    let (map, samples) = (Shape::new(1, 4, 5, 3), Shape::new(1, 1, 9, 3));
    let op = Kohonen { rate: 0.1 };
    assert!(op.shapes(&[map, samples.with_c(4)]).is_err());
    assert!(op.shapes(&[Shape { n: 2, ..map }, samples]).is_err());
    assert!(op.shapes(&[map, Shape { h: 2, ..samples }]).is_err());
    assert!(op.shapes(&[map, Shape { w: 0, ..samples }]).is_err());
    let told = op.shapes(&[Shape::new(1, 2000, 2000, 3), samples]).expect_err("too large").to_string();
    assert!(told.contains("too large for one workgroup"), "{told}");
    assert!(Kohonen { rate: 1.5 }.shapes(&[map, samples]).is_err());
}

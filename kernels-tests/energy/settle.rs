use gyre::{
    graph::{Graph, Operator, Shape},
    ops::{add, check::Sample, energy::Settle},
};

/// A picture for each pair of energies and each flag.
fn sample(tolerance: f32, x: Shape, energies: &[[f64; 2]]) -> Sample {
    let x = Shape { n: 2 * energies.len(), ..x };
    let each = Shape::new(x.n, 1, 1, 1);
    let shapes = [x, x, each, each, each];
    let mut sample = Sample::new(format!("{tolerance} {x} {energies:?}"), Settle { tolerance }, &shapes);
    for (i, when) in [0, 1].into_iter().enumerate() {
        sample.inputs[2 + i].data = energies.iter().flat_map(|e| [e[when]; 2]).map(exact).collect();
    }
    sample.inputs[4].data = [1.0, 0.0].repeat(energies.len());
    sample.constants(&[2, 3, 4]).forward_only()
}

/// As the device sees it.
fn exact(v: f64) -> f64 {
    f64::from(v as f32)
}

#[test]
fn states_and_flags() {
    let energies = [[1.0, 1.0], [-4.0, -4.5], [0.0, 0.0], [0.0, 1e-9], [3.0, 2.99], [5.0, -5.0]];
    for tolerance in [0.0, 1e-2, 0.2] {
        for x in [Shape::new(1, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(1, 3, 1, 4)] {
            crate::forward([sample(tolerance, x, &energies)]);
        }
    }
}

#[test]
fn flags_fall_and_stay() {
    let sample = sample(1e-3, Shape::SCALAR, &[[10.0, 9.0], [10.0, 9.999], [0.0, 0.0], [0.0, 1e-6]]);
    let [state, on] = sample.op.twin(&sample.inputs).try_into().expect("two outputs");
    assert_eq!(on.data, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    for (i, v) in state.data.iter().enumerate() {
        // Every other picture rested before.
        assert_eq!(*v, sample.inputs[1 - i % 2].data[i], "picture {i}");
    }
}

#[test]
fn energies_that_are_no_numbers_stop() {
    let wrong = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let energies: Vec<[f64; 2]> = wrong.into_iter().flat_map(|v| [[v, 1.0], [1.0, v], [v, v]]).collect();
    let sample = sample(0.0, Shape::new(1, 2, 3, 5), &energies);
    assert!(sample.op.twin(&sample.inputs)[1].data.iter().all(|v| *v == 0.0));
    crate::forward([sample]);
}

#[test]
fn has_no_gradient() {
    let mut graph = Graph::new();
    let (x, each) = (Shape::new(2, 3, 3, 4), Shape::new(2, 1, 1, 1));
    let inputs = [x, x, each, each, each].map(|s| graph.input("input", s));
    let y = graph.apply(Settle { tolerance: 0.1 }, &inputs).expect("fits");
    let seed = graph.input("seed", x);
    let told = graph.backward(y, seed, &inputs[1..2], add).expect_err("no gradient").to_string();
    assert!(told.contains("fixed number of steps"), "{told}");
}

#[test]
fn misfits_are_refused() {
    let (x, each) = (Shape::new(2, 3, 3, 4), Shape::new(2, 1, 1, 1));
    let op = Settle { tolerance: 0.1 };
    assert!(op.shapes(&[x, x, each, each]).is_err());
    assert!(op.shapes(&[x, x.with_c(3), each, each, each]).is_err());
    assert!(op.shapes(&[x, x, each, Shape::SCALAR, each]).is_err());
    assert!(Settle { tolerance: -1.0 }.shapes(&[x, x, each, each, each]).is_err());
}

use gyre::{
    graph::{Array, Graph, Operator, Shape},
    ops::{Act, Activation, Int8, Quantize, add, check::Sample},
};

#[test]
fn any_shape_and_zero() {
    for x in [Shape::new(3, 5, 7, 13), Shape::SCALAR, Shape::new(2, 1, 9, 2), Shape::new(1, 33, 2, 4)] {
        for zero in [-128, -3, 0, 127] {
            let op = Quantize { to: Int8 { scale: 1.0 / 32.0, zero } };
            let sample = Sample::new(format!("{zero} {x}"), op, &[x]);
            // Multiples of half a step, ties among them, and more than eight bits hold.
            crate::forward([sample.with(0, |v| (v * 200.0).round() / 64.0).forward_only()]);
        }
    }
}

#[test]
fn ties_go_to_even_and_ends_hold() {
    let x = Array { shape: Shape::new(1, 1, 1, 6), data: vec![0.5, 1.5, -0.5, -2.5, 1e6, -1e6] };
    let q = Quantize { to: Int8 { scale: 1.0, zero: 0 } }.twin(&[x]);
    assert_eq!(q[0].data, [0.0, 2.0, 0.0, -2.0, 127.0, -128.0]);
}

#[test]
fn integers_go_where_they_are_wanted_alone() {
    let mut graph = Graph::new();
    let x = graph.input("x", Shape::new(1, 2, 2, 4));
    let q = graph.apply(Quantize { to: Int8::over([-1.0, 1.0]) }, &[x]).unwrap();
    assert_eq!(graph.vars[q.index()].bytes(), 16);
    let refused = graph.apply(Activation::new(Act::Relu), &[q]).unwrap_err().to_string();
    assert!(refused.contains("I8"), "{refused}");
    // Integers have no gradient.
    let y = graph.apply(Quantize { to: Int8::over([0.0, 1.0]) }, &[x]).unwrap();
    let seed = graph.input("seed", graph.shape(y));
    let refused = graph.backward(y, seed, &[x], add).unwrap_err().to_string();
    assert!(refused.contains("no gradient"), "{refused}");
    let bad = graph.apply(Quantize { to: Int8 { scale: 0.0, zero: 0 } }, &[x]).unwrap_err().to_string();
    assert!(bad.contains("scale"), "{bad}");
}

use gyre::{
    graph::{Graph, Init, Layout, Operator, Precision, Shape},
    ops::{Binary, BinaryKind, add, check::Sample},
};

#[test]
fn all_broadcasts() {
    let a = Shape::new(3, 5, 4, 7);
    let others = [a, Shape::new(3, 1, 1, 7), Shape::new(3, 5, 4, 1), Shape::channels(7), Shape::SCALAR];
    for kind in [BinaryKind::Add, BinaryKind::Sub, BinaryKind::Mul] {
        for b in others {
            crate::both([Sample::new(format!("{kind:?} {b}"), Binary::new(kind), &[a, b])]);
        }
    }
}

#[test]
fn one_channel_and_one_pixel() {
    for (a, b) in [
        (Shape::new(2, 3, 4, 1), Shape::new(2, 1, 1, 1)),
        (Shape::new(2, 1, 1, 5), Shape::channels(5)),
        (Shape::new(1, 3, 4, 5), Shape::new(1, 1, 1, 5)),
    ] {
        crate::both([Sample::new(format!("{a} {b}"), Binary::new(BinaryKind::Mul), &[a, b])]);
    }
}

#[test]
fn other_shapes_are_refused() {
    let error = Binary::new(BinaryKind::Add).shapes(&[Shape::new(2, 3, 4, 5), Shape::new(2, 3, 1, 5)]);
    assert!(error.unwrap_err().to_string().contains("2x3x1x5"));
}

#[test]
fn what_is_added_to_an_accumulator_stays_f32() {
    let mut graph = Graph::new();
    let shape = Shape::new(1, 3, 3, 4);
    let (x, seed) = (graph.input("x", shape), graph.input("seed", shape));
    let p = graph.param("p", Layout::Tensor(shape), Init::Constant(1.0));
    let y = graph.apply(Binary::new(BinaryKind::Mul), &[x, p]).unwrap();
    graph.backward(y, seed, &[x], add).unwrap();
    graph.mixed();
    let precision = |v: gyre::graph::Var| graph.vars[v.index()].precision;
    let into = graph.nodes.iter().find(|n| n.outputs.is_empty()).expect("an addition");
    assert_eq!(into.inputs.iter().map(|v| precision(*v)).collect::<Vec<_>>(), [Precision::F32; 2]);
    assert_eq!(precision(y), Precision::F16);
}

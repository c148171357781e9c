use gyre::{
    graph::{Graph, Operator, Shape},
    nn::{Grrb, Net, grrb},
    ops::{Act, GrrbStep, samples::grrb_step},
};

const PLAIN: GrrbStep = GrrbStep { still_input: false, still_gate: false, act: Act::Identity };

/// Fewer channels than a block, as many, and several blocks of which the last is not full; tiles that stick out.
#[test]
fn sizes_and_channels() {
    for c in [1, 4, 7, 16, 31, 64, 65, 132] {
        for (n, h, w) in [(1, 1, 1), (2, 5, 9), (1, 33, 8)] {
            crate::forward([grrb_step(PLAIN, Shape::new(n, h, w, c))]);
        }
    }
}

#[test]
fn all_it_may_see() {
    for still_input in [false, true] {
        for still_gate in [false, true] {
            for act in [Act::Identity, Act::Relu, Act::LeakyRelu(0.1), Act::Sigmoid] {
                let op = GrrbStep { still_input, still_gate, act };
                crate::forward([grrb_step(op, Shape::new(2, 6, 11, 13))]);
            }
        }
    }
}

/// The steps of a block become one node each, and nothing else stays; a block of one channel keeps its convolutions.
#[test]
fn a_block_becomes_its_steps() {
    for (channels, want) in [(8, vec!["grrb_step"; 3]), (1, vec![])] {
        let mut graph = Graph::new();
        let x = graph.input("x", Shape::new(1, 8, 8, channels));
        let y = grrb(&mut Net::new(&mut graph, false), x, Grrb::new()).unwrap();
        graph.output(y);
        graph.fuse();
        let before = graph.nodes.len();
        graph.take_shortcuts();
        let names: Vec<&str> = graph.nodes.iter().map(|node| node.op.name()).collect();
        assert!(names == want || (want.is_empty() && names.len() == before), "{names:?}");
        assert_eq!(graph.nodes.last().unwrap().outputs, [y]);
    }
}

#[test]
fn misfits_are_refused() {
    let f = Shape::new(1, 4, 4, 5);
    let good = [
        f,
        f,
        Shape::new(3, 3, 1, 5),
        Shape::channels(5),
        Shape::new(1, 1, 8, 5),
        Shape::channels(5),
        Shape::new(1, 1, 16, 5),
        Shape::channels(5),
    ];
    assert_eq!(PLAIN.shapes(&good).unwrap(), [f]);
    assert!(GrrbStep { still_gate: true, ..PLAIN }.shapes(&good).is_err());
    assert!(PLAIN.shapes(&good[..7]).is_err());
    assert!(PLAIN.shapes(&[]).is_err());
}

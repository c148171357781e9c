//! The passes over the graph: fusion, memory plan, lowering.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use gyre::{
    Error,
    gpu::{Context, Select},
    graph::{Access, Graph, Plan, Session, Shape, Weights},
    infer::predictor,
    loss::LossSpec,
    models::{Model, Network},
    ops::{Act, Activation},
    train::{StepOptions, training_graph},
};

fn context() -> &'static Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT
        .get_or_init(|| Arc::new(Context::new(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver")))
}

fn small(network: Network) -> Model {
    Model { widths: vec![4, 8, 16], ..Model::new(network, 1, 1) }
}

fn count(plan: &Plan, file: &str) -> usize {
    plan.passes.iter().filter(|p| p.dispatch.variant.file == file).count()
}

#[test]
fn batch_norm_folds_into_the_convolution_at_inference() {
    for network in [Network::UNet, Network::AttUNet, Network::R2AttUNet] {
        let (graph, _, _) = predictor::graph(&small(network), Shape::new(1, 16, 16, 1)).unwrap();
        let plan = Plan::new(&graph, context()).unwrap();
        assert_eq!(count(&plan, "batch_norm_apply"), 0, "{}", network.name());
        assert_eq!(count(&plan, "activation"), 0, "{}", network.name());
    }
}

#[test]
fn activations_and_sums_join_batch_norm_in_training() {
    let graph = training_graph(
        &small(Network::R2UNet),
        &LossSpec::bce(),
        Shape::new(2, 16, 16, 1),
        StepOptions::default(),
    )
    .unwrap()
    .graph;
    let plan = Plan::new(&graph, context()).unwrap();
    assert_eq!(count(&plan, "activation"), 0);
    // Twice t sums a block and one with its input: all of the forward pass joined.
    let joined =
        plan.passes.iter().filter(|p| p.dispatch.variant.features.iter().any(|f| f == "after")).count();
    assert_eq!(joined, 5 * 5);
}

/// Sums of gradients, and no sum for biases that the batch's own mean takes out again.
#[test]
fn gradients_join_the_convolutions_that_make_them() {
    let graph = training_graph(
        &small(Network::R2UNet),
        &LossSpec::bce(),
        Shape::new(2, 16, 16, 1),
        StepOptions::default(),
    )
    .unwrap()
    .graph;
    let plan = Plan::new(&graph, context()).unwrap();
    let joined = plan.passes.iter().filter(|p| {
        p.label.starts_with("conv_transpose2d") && p.dispatch.variant.features.iter().any(|f| f == "residual")
    });
    // In each of two units of five blocks, what x gets through t = 2 sums joins what it gets from a convolution.
    assert!(joined.count() >= 5 * 2);
    // Projections of the blocks, and the head.
    assert_eq!(count(&plan, "reduce/pixels"), 5 + 1);
}

#[test]
fn fusion_changes_no_number() {
    for network in Network::U_NETS {
        fusion_changes_no_number_of(network);
    }
}

fn fusion_changes_no_number_of(network: Network) {
    let model = Model { widths: vec![3, 5], ..Model::new(network, 1, 2) };
    let mut results = Vec::new();
    for fuse in [false, true] {
        let mut graph = Graph::new();
        let x = graph.input("x", Shape::new(2, 8, 10, 1));
        let y = model.build(&mut graph, x, false).unwrap();
        graph.output(y);
        if fuse {
            graph.fuse();
        }
        let weights = Arc::new(Weights::new(context(), &graph, 5).unwrap());
        let session = Session::new(Plan::new(&graph, context()).unwrap(), &weights).unwrap();
        session.poison().unwrap();
        session.write(x, &(0..160).map(|i| (i % 23) as f32 / 23.0).collect::<Vec<_>>()).unwrap();
        session.run();
        results.push(session.read(y).unwrap());
    }
    for (plain, fused) in results[0].iter().zip(&results[1]) {
        approx::assert_relative_eq!(plain, fused, epsilon = 1e-5, max_relative = 1e-4);
    }
}

/// Batch norms and sums of whole networks are epilogues; only gates still multiply.
#[test]
fn predictions_are_convolutions() {
    for network in Network::U_NETS {
        let (graph, ..) = predictor::graph(&small(network), Shape::new(1, 16, 16, 1)).unwrap();
        let plan = Plan::new(&graph, context()).unwrap();
        let gates = plan.passes.iter().filter(|p| p.dispatch.variant.features.iter().any(|f| f == "mul"));
        assert_eq!(count(&plan, "batch_norm_apply") + count(&plan, "activation"), 0, "{}", network.name());
        assert_eq!(count(&plan, "binary"), gates.count(), "{}", network.name());
    }
}

/// First and last pass that touches each tensor that lies in a shared buffer.
fn lives(plan: &Plan) -> HashMap<usize, Vec<(usize, usize)>> {
    let mut of_var: HashMap<usize, (usize, (usize, usize))> = HashMap::new();
    for (at, pass) in plan.passes.iter().enumerate() {
        for var in pass.dispatch.buffers.iter().copied().map(Access::var) {
            if let Some(slot) = plan.memory.slot_of(var) {
                let entry = of_var.entry(var.index()).or_insert((slot, (at, at)));
                entry.1.1 = at;
            }
        }
    }
    let mut by_slot: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
    of_var.into_values().for_each(|(slot, life)| by_slot.entry(slot).or_default().push(life));
    by_slot
}

#[test]
fn tensors_that_live_together_lie_apart() {
    for network in Network::U_NETS {
        let graph = training_graph(
            &small(network),
            &LossSpec::bce(),
            Shape::new(2, 16, 16, 1),
            StepOptions::default(),
        )
        .unwrap()
        .graph;
        let plan = Plan::new(&graph, context()).unwrap();
        for mut lives in lives(&plan).into_values() {
            lives.sort_unstable();
            assert!(lives.windows(2).all(|w| w[0].1 < w[1].0), "{}: {lives:?}", network.name());
        }
    }
}

#[test]
fn memory_stays_near_the_least_possible() {
    let model = Model { widths: vec![8, 16, 32, 64, 128], ..Model::new(Network::R2AttUNet, 1, 1) };
    let graph = training_graph(&model, &LossSpec::bce(), Shape::new(4, 128, 128, 1), StepOptions::default())
        .unwrap()
        .graph;
    let plan = Plan::new(&graph, context()).unwrap();
    let summary = plan.summary();
    assert!(summary.activation_bytes <= summary.activation_lower_bound * 6 / 5, "{summary:?}");
    assert!(summary.activation_bytes >= summary.activation_lower_bound);
}

/// Loss and all gradients of a step on pictures of noise.
fn step(model: &Model, how: StepOptions) -> (Vec<f32>, u64) {
    let x = Shape::new(2, 16, 24, 1);
    let t = training_graph(model, &LossSpec::bce(), x, how).unwrap();
    let weights = Arc::new(Weights::new(context(), &t.graph, 3).unwrap());
    let plan = Plan::new(&t.graph, context()).unwrap();
    let bytes = plan.summary().activation_bytes;
    let session = Session::new(plan, &weights).unwrap();
    session.poison().unwrap();
    let noise: Vec<f32> = (0..x.count()).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
    session.write(t.x, &noise).unwrap();
    session.write(t.y, &noise.iter().map(|v| v.round()).collect::<Vec<_>>()).unwrap();
    session.write(t.seed, &[1.0]).unwrap();
    session.run();
    let trained = weights.params.iter().filter(|p| p.trained);
    let mut numbers = session.read(t.loss).unwrap();
    for param in trained {
        numbers.extend(session.read_gradient(session.gradients().unwrap(), &param.name).unwrap());
    }
    (numbers, bytes)
}

#[test]
fn recomputing_spares_memory_and_changes_no_number() {
    for network in Network::U_NETS {
        let [kept, again] = [false, true]
            .map(|recompute| step(&small(network), StepOptions { recompute, ..Default::default() }));
        assert!(kept.0.iter().all(|v| v.is_finite()) && kept.0 == again.0, "{}", network.name());
        assert!(10 * again.1 < 9 * kept.1, "{}: {} bytes of {}", network.name(), again.1, kept.1);
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_size() {
    let model = Model::new(Network::UNet, 1, 1);
    let graph =
        training_graph(&model, &LossSpec::bce(), Shape::new(64, 1024, 1024, 1), StepOptions::default())
            .unwrap()
            .graph;
    match Plan::new(&graph, context()) {
        Err(Error::OutOfMemory(message)) => assert!(message.contains("64x1024x1024x128"), "{message}"),
        other => panic!("{:?}", other.map(|p| p.summary().clone())),
    }
}

#[test]
fn weights_of_another_model_are_refused() {
    let build = |widths: Vec<usize>| {
        let model = Model { widths, ..Model::new(Network::UNet, 1, 1) };
        predictor::graph(&model, Shape::new(1, 16, 16, 1)).unwrap().0
    };
    let (two, three) = (build(vec![4, 8]), build(vec![4, 8, 16]));
    let weights = Arc::new(Weights::new(context(), &two, 0).unwrap());
    assert!(Session::new(Plan::new(&three, context()).unwrap(), &weights).is_err());
}

/// Numbers of any count go there and come back, in the order of the calls: small ones, those that go through buffers which are kept,
/// and those too large for them, from several threads at once.
#[test]
fn what_is_written_is_read() {
    let check = |h: usize, w: usize, c: usize| {
        let mut graph = Graph::new();
        let x = graph.input("x", Shape::new(1, h, w, c));
        let y = graph.apply(Activation::new(Act::Relu), &[x]).unwrap();
        graph.output(y);
        let weights = Arc::new(Weights::new(context(), &graph, 0).unwrap());
        let session = Session::new(Plan::new(&graph, context()).unwrap(), &weights).unwrap();
        let numbers =
            |round: usize| (0..h * w * c).map(|i| ((i * 7 + round) % 1013) as f32).collect::<Vec<_>>();
        for round in 0..3 {
            // What a later write replaces is gone, though neither was waited for.
            session.write(x, &numbers(round + 1)).unwrap();
            session.write(x, &numbers(round)).unwrap();
            session.run();
            assert!(session.read(y).unwrap() == numbers(round), "{h}x{w}x{c}, {round}");
        }
        let padded = session.read_padded(y).unwrap();
        let lanes = c.next_multiple_of(4);
        assert!(padded.chunks_exact(lanes).all(|pixel| pixel[c..].iter().all(|v| *v == 0.0)), "{h}x{w}x{c}");
    };
    std::thread::scope(|scope| {
        for c in [1, 2, 3, 4, 5] {
            scope.spawn(move || {
                [(1, 1), (63, 65), (129, 100), (300, 257)].into_iter().for_each(|(h, w)| check(h, w, c))
            });
        }
    });
    check(2081, 2017, 1);
}

//! Convolutions and whole training steps by criterion: wall time from submission to the end of the work.

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gyre::{
    Result,
    gpu::{Context, Select},
    graph::{Graph, Init, Layout, Plan, Session, Shape, Weights},
    loss::LossSpec,
    models::{Model, Network},
    ops::{Conv2d, Geometry, add},
    train::{StepOptions, training_graph},
};

/// A convolution of one picture with its gradients, and its forward FLOPs.
fn convolution(
    context: &Arc<Context>,
    channels: usize,
    size: usize,
    kernel: usize,
) -> Result<(Session, u64)> {
    let mut graph = Graph::new();
    let shape = Shape::new(1, size, size, channels);
    let x = graph.input("x", shape);
    let layout = Layout::Conv { out: channels, sources: vec![channels], kernel: [kernel; 2] };
    let w = graph.param("w", layout, Init::Uniform(0.1));
    let y = graph.apply(Conv2d::new(Geometry::square(kernel, 1, kernel / 2)), &[x, w])?;
    graph.output(y);
    let flops = graph.cost().flops;
    let seed = graph.input("dy", shape);
    for dx in graph.backward(y, seed, &[x], add)?.into_iter().flatten() {
        graph.output(dx);
    }
    let weights = Arc::new(Weights::new(context, &graph, 0)?);
    Ok((Session::new(Plan::new(&graph, context)?, &weights)?, flops))
}

fn training_step(context: &Arc<Context>, network: Network) -> Result<Session> {
    let model = Model { widths: vec![8, 16, 32, 64], ..Model::new(network, 1, 1) };
    let graph =
        training_graph(&model, &LossSpec::bce(), Shape::new(4, 64, 64, 1), StepOptions::default())?.graph;
    let weights = Arc::new(Weights::new(context, &graph, 0)?);
    Session::new(Plan::new(&graph, context)?, &weights)
}

fn run(context: &Context, session: &Session) {
    session.run();
    black_box(context.wait()).expect("the device works");
}

fn benches(c: &mut Criterion) {
    let context = Arc::new(Context::new(&Select::parse(None)).expect("an adapter"));
    let mut group = c.benchmark_group("convolution, forward and gradients");
    group.sample_size(10);
    for (channels, size, kernel) in [(64, 128, 3), (16, 128, 3), (128, 64, 3), (64, 128, 1)] {
        let (session, flops) = convolution(&context, channels, size, kernel).expect("fits");
        group.throughput(Throughput::Elements(3 * flops));
        group.bench_function(format!("{kernel}x{kernel} {channels} at {size}"), |b| {
            b.iter(|| run(&context, &session))
        });
    }
    group.finish();
    let mut group = c.benchmark_group("training step, 4x64x64, widths 8..64");
    group.sample_size(10);
    for network in [Network::UNet, Network::R2AttUNet] {
        let session = training_step(&context, network).expect("fits");
        group.bench_function(network.name(), |b| b.iter(|| run(&context, &session)));
    }
    group.finish();
}

criterion_group!(kernels, benches);
criterion_main!(kernels);

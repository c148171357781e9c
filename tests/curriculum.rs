//! Curricula, the tasks that rank pictures, and the losses that stand beside others.
#![cfg(feature = "cli")]

mod common;

use std::{fs, path::Path, sync::Arc};

use common::{files, folder, run, succeed};
use gyre::{
    data::Ranking,
    gpu::{Context, Select},
    graph::{Graph, Plan, Session, Shape, Weights},
    loss::{Consistency, Edge, Link},
    models::{Model, Network},
    optim::{Adam, Method, Moments, OptimSpec},
    train::{Pretext, Trainer},
};

fn context() -> Arc<Context> {
    Arc::new(Context::new(&Select::parse(None)).unwrap())
}

const SHAPE: Shape = Shape::new(2, 5, 6, 3);

/// Numbers between -1 and 1 that look alike in no two places.
fn numbers(salt: usize) -> Vec<f32> {
    (0..SHAPE.count()).map(|i| ((i * 7919 + salt * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
}

fn sigmoid(v: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(v)).exp())
}

/// A composed loss of two inputs, and its gradient by the first.
fn made(
    build: impl Fn(&mut Graph, gyre::graph::Var, gyre::graph::Var) -> gyre::Result<gyre::graph::Var>,
    a: &[f32],
    b: &[f32],
) -> (f64, Vec<f32>) {
    let context = context();
    let mut graph = Graph::new();
    let (x, y) = (graph.input("a", SHAPE), graph.input("b", SHAPE));
    let loss = build(&mut graph, x, y).unwrap();
    let seed = graph.input("seed", Shape::SCALAR);
    let grad = graph.backward(loss, seed, &[x], gyre::ops::add).unwrap()[0].unwrap();
    graph.output(loss);
    graph.output(grad);
    let weights = Arc::new(Weights::new(&context, &graph, 0).unwrap());
    let session = Session::new(Plan::new(&graph, &context).unwrap(), &weights).unwrap();
    session.poison().unwrap();
    session.write(x, a).unwrap();
    session.write(y, b).unwrap();
    session.write(seed, &[1.0]).unwrap();
    session.run();
    (f64::from(session.read(loss).unwrap()[0]), session.read(grad).unwrap())
}

/// Holds value and gradient against a formula in f64.
fn agrees(value: impl Fn(&[f32], &[f32]) -> f64, made: (f64, Vec<f32>), a: &[f32], b: &[f32]) {
    approx::assert_relative_eq!(made.0, value(a, b), max_relative = 1e-5);
    for i in 0..a.len() {
        let moved = |by: f32| {
            let mut moved = a.to_vec();
            moved[i] += by;
            value(&moved, b)
        };
        let slope = (moved(1e-3) - moved(-1e-3)) / 2e-3;
        approx::assert_relative_eq!(f64::from(made.1[i]), slope, max_relative = 1e-2, epsilon = 2e-6);
    }
}

#[test]
fn edges_are_compared_by_sobels_derivatives() {
    let value = |logits: &[f32], truth: &[f32]| {
        let off = |n: usize, h: usize, w: usize, c: usize| {
            let i = ((n * SHAPE.h + h) * SHAPE.w + w) * SHAPE.c + c;
            sigmoid(logits[i]) - f64::from(truth[i])
        };
        let (mut sum, mut count) = (0.0, 0.0);
        for n in 0..SHAPE.n {
            for c in 0..SHAPE.c {
                for h in 1..SHAPE.h - 1 {
                    for w in 1..SHAPE.w - 1 {
                        let side =
                            |j: usize| off(n, h - 1, j, c) + 2.0 * off(n, h, j, c) + off(n, h + 1, j, c);
                        let end =
                            |i: usize| off(n, i, w - 1, c) + 2.0 * off(n, i, w, c) + off(n, i, w + 1, c);
                        let (across, down) = (side(w + 1) - side(w - 1), end(h + 1) - end(h - 1));
                        sum += (across * across + down * down) / 64.0;
                        count += 1.0;
                    }
                }
            }
        }
        sum / count
    };
    let (logits, truth) = (numbers(1), numbers(2).iter().map(|v| f32::from(*v > 0.0)).collect::<Vec<_>>());
    let edge = Edge { link: Link::Sigmoid };
    agrees(value, made(|g, x, y| edge.build(g, x, y), &logits, &truth), &logits, &truth);
}

#[test]
fn two_views_are_compared_by_their_probabilities() {
    let value = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| (sigmoid(*a) - sigmoid(*b)).powi(2)).sum::<f64>() / a.len() as f64
    };
    let (a, b) = (numbers(3), numbers(4));
    let loss = Consistency { link: Link::Sigmoid };
    agrees(value, made(|g, x, y| loss.build(g, x, y), &a, &b), &a, &b);
}

/// Pictures of `side` squared that a network can tell the turn of, or the hidden parts.
fn ramps(n: usize, side: usize) -> Vec<f32> {
    (0..n * side * side)
        .map(|i| {
            let (w, picture) = (i % side, i / (side * side));
            3.0 * (w as f32 / side as f32 - 0.5) * (1.0 + 0.2 * picture as f32)
        })
        .collect()
}

#[test]
fn pretext_tasks_are_learnt() {
    let (context, side) = (context(), 16);
    let model = Model { widths: vec![4, 8], ..Model::new(Network::SiGREnet, 1, 1) };
    for (task, share) in [(Pretext::Rotation, 0.7), (Pretext::Reconstruction { square: 4 }, 0.3)] {
        let optim = OptimSpec::from(Method::Adam(Adam { moments: Moments::default(), amsgrad: false }));
        let mut trainer =
            Trainer::new(&context, &task.model(&model), &task, &optim, [side; 2], 1, 3).unwrap();
        for _ in 0..60 {
            trainer.step(&ramps(4, side), &vec![0; 4 * side * side], 4, 1e-2).unwrap();
        }
        let losses = trainer.losses().unwrap();
        assert!(losses[59] < share * losses[0], "{task:?}: {} to {}", losses[0], losses[59]);
    }
}

/// Trains the tiny config with a curriculum; returns what it told.
fn train(here: &Path, out: &str, set: &[&str]) -> String {
    let out = format!("train.out={out}");
    let mut args = vec!["train", "tiny.toml", "--set", &out];
    set.iter().for_each(|key| args.extend(["--set", key]));
    succeed(here, &args)
}

#[test]
fn a_run_ranks_its_pictures_first() {
    let folder = folder();
    let here = folder.path();
    let keys =
        ["curriculum.order=reconstruction", "curriculum.pretext_epochs=2", "curriculum.initialise=true"];
    let told = train(here, "a", &keys);
    assert!(told.contains("reconstruction epoch"), "{told}");
    let ranking = Ranking::read(&here.join("a/ranking.csv")).unwrap().pictures;
    assert!(ranking.len() > 2 && ranking.iter().map(|p| p.1.unwrap()).is_sorted(), "{ranking:?}");
    assert!(here.join("a/ranking.png").exists() && here.join("a/pretext.safetensors").exists());
    // The same again, and by the list that came of it; which weights start from what was learnt shows.
    train(here, "b", &keys);
    assert_eq!(files(&here.join("a"))["ranking.csv"], files(&here.join("b"))["ranking.csv"]);
    assert_eq!(files(&here.join("a"))["metrics.csv"], files(&here.join("b"))["metrics.csv"]);
    train(here, "c", &["curriculum.order=manual", "curriculum.list=a/ranking.csv"]);
    let d = train(here, "d", &["curriculum.order=reconstruction", "curriculum.pretext_epochs=2"]);
    assert!(d.contains("reconstruction epoch"));
    assert_eq!(files(&here.join("c"))["metrics.csv"], files(&here.join("d"))["metrics.csv"]);
    assert_ne!(files(&here.join("a"))["metrics.csv"], files(&here.join("d"))["metrics.csv"]);
}

#[test]
fn orders_can_be_made_alone_and_mistakes_are_named() {
    let folder = folder();
    let here = folder.path();
    let told = succeed(
        here,
        &[
            "curriculum",
            "tiny.toml",
            "--out",
            "r",
            "--set",
            "curriculum.order=rotation",
            "--set",
            "curriculum.pretext_epochs=1",
        ],
    );
    assert!(told.contains("easiest first"), "{told}");
    assert!(here.join("r/ranking.csv").exists());
    let fails = |args: &[&str]| {
        let output = run(here, args);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(fails(&["curriculum", "tiny.toml", "--out", "r2"]).contains("curriculum.order"));
    assert!(fails(&["train", "tiny.toml", "--set", "curriculum.order=manual"]).contains("curriculum.list"));
    fs::write(here.join("short.csv"), "id\nnobody\n").unwrap();
    let short =
        ["train", "tiny.toml", "--set", "curriculum.order=manual", "--set", "curriculum.list=short.csv"];
    assert!(fails(&short).contains("lacks"));
    assert!(!here.join("run").exists(), "nothing is begun that cannot be done");
    let start = ["train", "tiny.toml", "--set", "curriculum.start=0"];
    assert!(fails(&start).contains("curriculum.start"));
}

#[test]
fn stages_learn_what_a_miner_finds() {
    let folder = folder();
    let here = folder.path();
    let nested = ["model.name=unetpp", "model.widths=[4,8,8]", "train.epochs=4"];
    train(here, "miner", &nested);
    // All of its results are made anew.
    let task = ["curriculum.order=rotation", "curriculum.pretext_epochs=1", "curriculum.initialise=true"];
    train(here, "taught", &[&nested[..], &task].concat());
    let staged = ["model.name=grenet", "model.widths=[4,8]", "model.t=2"];
    train(here, "plain", &staged);
    let told = train(here, "mined", &[&staged[..], &["curriculum.miner=miner"]].concat());
    assert!(told.contains("Dice"), "{told}");
    assert_ne!(files(&here.join("plain"))["metrics.csv"], files(&here.join("mined"))["metrics.csv"]);
    let fails = |set: &[&str]| {
        let mut args = vec!["train", "tiny.toml", "--set", "train.out=odd"];
        set.iter().for_each(|key| args.extend(["--set", key]));
        String::from_utf8_lossy(&run(here, &args).stderr).into_owned()
    };
    assert!(fails(&["curriculum.miner=miner"]).contains("grenet"));
    assert!(fails(&[&staged[..], &["curriculum.miner=plain"]].concat()).contains("unetpp"));
    let many = ["model.name=grenet", "model.widths=[4,8]", "model.t=3", "curriculum.miner=miner"];
    assert!(fails(&many).contains("2 depths for 3 stages"));
}

#[test]
fn the_hybrid_loss_trains() {
    let folder = folder();
    let here = folder.path();
    let hybrid = "loss=[{name='dice'},{name='bce'},{name='boundary',weight=0.05},{name='edge'},{name='consistency',weight=0.1}]";
    let told = train(here, "h", &[hybrid, "curriculum.pixel_weight=0.5"]);
    assert!(told.contains("Dice"), "{told}");
}

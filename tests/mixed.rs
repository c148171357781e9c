//! Mixed precision: what is stored in half, training against f32, loss scaling, and prediction.
#![cfg(feature = "cli")]

mod common;

use std::sync::Arc;

use common::{folder, run, succeed};
use gyre::{
    data::{Dataset, ShapesDataset, ShapesOptions},
    gpu::{Context, Select},
    graph::{Exported, ParamInfo, Plan, Precision, Role, Session, Shape, VarInfo, Weights},
    infer::Predictor,
    loss::{LossOptions, LossSpec},
    models::{Model, Network},
    optim::{Adam, Method, NAdam, OptimSpec, Scaling, ScalingState, Sgd},
    train::{StepOptions, Trainer, one_hot, training_graph},
};

const SIZE: usize = 32;

/// A device with f16 in shaders, if there is one.
fn context() -> Option<Arc<Context>> {
    let context = Context::new(&Select::parse(None)).unwrap();
    if !context.tier.f16 {
        eprintln!("LEFT OUT: {} has no f16 in shaders", context.info.name);
        return None;
    }
    Some(Arc::new(context))
}

fn small() -> Model {
    Model { widths: vec![8, 16], t: 1, ..Model::new(Network::R2AttUNet, 1, 1) }
}

fn adam() -> Method {
    Method::Adam(Adam::default())
}

fn trainer(
    context: &Arc<Context>,
    loss: &str,
    method: Method,
    scaling: Option<Scaling>,
    seed: u64,
) -> Trainer {
    let loss = LossSpec::named(loss, &LossOptions::default()).unwrap();
    let optim = OptimSpec { scaling, ..method.into() };
    Trainer::new(context, &small(), &loss, &optim, [SIZE; 2], 1, seed).unwrap()
}

/// Pictures and masks of `n` shapes.
fn shapes(n: usize) -> (Vec<f32>, Vec<u8>) {
    let options = ShapesOptions { size: SIZE, count: n, ..ShapesOptions::default() };
    let shapes = ShapesDataset::new(options).unwrap();
    let samples: Vec<_> = (0..n).map(|i| shapes.load(i).unwrap()).collect();
    (
        samples.iter().flat_map(|s| s.picture.data.clone()).collect(),
        samples.iter().flat_map(|s| s.mask.data.clone()).collect(),
    )
}

fn sparing(mixed: bool) -> StepOptions {
    StepOptions { mixed, ..Default::default() }
}

#[test]
fn activations_are_halved_and_nothing_else() {
    let Some(context) = context() else { return };
    let x = Shape::new(4, SIZE, SIZE, 1);
    let of = |mixed| training_graph(&small(), &LossSpec::bce(), x, sparing(mixed)).unwrap();
    let (whole, half) = (of(false).graph, of(true));
    assert!(whole.vars.iter().all(|v| v.precision == Precision::F32));
    let graph = &half.graph;
    let halved = |v: &&VarInfo| v.precision == Precision::F16;
    let values = graph.vars.iter().filter(|v| v.role == Role::Value && v.shape.h * v.shape.w > 2);
    let (count, all) = (graph.vars.iter().filter(halved).count(), values.count());
    assert!(graph.vars.iter().filter(halved).all(|v| v.role == Role::Value));
    // All but the logits and the gradient that the loss makes.
    assert_eq!(count, all - 2);
    assert_eq!(graph.vars[half.loss.index()].precision, Precision::F32);
    let summary = |graph| Plan::new(graph, &context).unwrap().summary().clone();
    let (whole, half) = (summary(&whole), summary(graph));
    assert!(10 * half.activation_bytes < 6 * whole.activation_bytes, "{half:?}, {whole:?}");
    assert!(half.traffic_bytes < whole.traffic_bytes && half.gradient_bytes == whole.gradient_bytes);
}

/// All gradients of one step, and its loss; with weights rounded to half where told.
fn gradients(context: &Arc<Context>, loss: &str, mixed: bool, rounded: bool) -> (Vec<f32>, f32) {
    let loss = LossSpec::named(loss, &LossOptions::default()).unwrap();
    let t = training_graph(&small(), &loss, Shape::new(8, SIZE, SIZE, 1), sparing(mixed)).unwrap();
    let weights = Arc::new(Weights::new(context, &t.graph, 5).unwrap());
    for (name, _, mut data) in weights.export().unwrap().into_iter().filter(|_| rounded) {
        data.iter_mut().for_each(|v| *v = half::f16::from_f32(*v).to_f32());
        weights.set(&name, &data).unwrap();
    }
    let session = Session::new(Plan::new(&t.graph, context).unwrap(), &weights).unwrap();
    session.poison().unwrap();
    let (x, y) = shapes(8);
    session.write(t.x, &x).unwrap();
    session.write(t.y, &one_hot(&y, 1)).unwrap();
    session.write(t.seed, &[1.0]).unwrap();
    let scale = t.scale.map_or(1.0, |scale| {
        session.write(scale, &[65536.0]).unwrap();
        65536.0
    });
    session.run();
    let all = weights.params.iter().filter(|p| p.trained);
    let of = |p: &ParamInfo| session.read_gradient(session.gradients().unwrap(), &p.name).unwrap();
    (all.flat_map(of).map(|g| g / scale).collect(), session.read(t.loss).unwrap()[0])
}

/// Where rounding turns the sign of what a rectifier sees, a gradient changes whole: in f32 with weights
/// rounded to half it does so too, and mixed precision, which rounds at every layer, may be a few times as far.
#[test]
fn one_step_is_that_of_f32_but_for_rounding() {
    let Some(context) = context() else { return };
    for loss in ["bce", "focal_tversky"] {
        let whole = gradients(&context, loss, false, false);
        let apart = |other: &[f32]| {
            let square = |v: f32| f64::from(v).powi(2);
            let sum: f64 = whole.0.iter().zip(other).map(|(a, b)| square(a - b)).sum();
            (sum / whole.0.iter().map(|v| square(*v)).sum::<f64>()).sqrt()
        };
        let (half, weights) =
            (gradients(&context, loss, true, false), gradients(&context, loss, false, true));
        let (mixed, rounded) = (apart(&half.0), apart(&weights.0));
        let losses = f64::from((whole.1 - half.1).abs() / whole.1);
        println!("{loss}: gradients part by {mixed:.2e} ({rounded:.2e} by weights), losses by {losses:.2e}");
        assert!(mixed > 0.0 && mixed < 4.0 * rounded && losses < 1e-3);
    }
}

/// Loss of the last steps and Dice of the predictions after a short training.
fn result(context: &Arc<Context>, loss: &str, scaling: Option<Scaling>, seed: u64) -> (f64, f64) {
    let (x, y) = shapes(16);
    let batch = 8 * SIZE * SIZE;
    let mut trainer = trainer(context, loss, adam(), scaling, seed);
    for step in 0..40 {
        let part = (step % 2) * batch..(step % 2 + 1) * batch;
        // Down to nothing, so that the end is no moment of a wild ride.
        let lr = 1e-2 * (40 - step) as f32 / 40.0;
        trainer.step(&x[part.clone()], &y[part], 8, lr).unwrap();
    }
    let losses = trainer.losses().unwrap();
    let last = losses[36..].iter().map(|l| f64::from(*l)).sum::<f64>() / 4.0;
    let skipped = trainer.scaling().unwrap().map_or(0, |s| s.skipped);
    assert!(skipped < 6, "{skipped} steps of 40 were skipped");
    let p = Predictor::new(&small(), trainer.weights(), [SIZE; 2]).predict(&x, 16).unwrap();
    let hits = p.iter().zip(&y).filter(|(p, y)| **p >= 0.5 && **y > 0).count() as f64;
    let marked = p.iter().filter(|p| **p >= 0.5).count() + y.iter().filter(|y| **y > 0).count();
    (last, 2.0 * hits / marked as f64)
}

fn mean_and_spread(v: &[f64]) -> (f64, f64) {
    let mean = v.iter().sum::<f64>() / v.len() as f64;
    (mean, (v.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (v.len() - 1) as f64).sqrt())
}

/// The figures of a longer run are in docs/results/mixed-llvmpipe.md.
#[test]
fn mixed_training_ends_where_f32_does() {
    let Some(context) = context() else { return };
    for loss in ["bce", "focal_tversky"] {
        let of = |scaling| -> (Vec<f64>, Vec<f64>) {
            (0..3).map(|seed| result(&context, loss, scaling, seed)).unzip()
        };
        let (whole, half) = (of(None), of(Some(Scaling::default())));
        println!("{loss}: f32 {whole:.4?}, mixed {half:.4?}");
        for (whole, half) in [(&whole.0, &half.0), (&whole.1, &half.1)] {
            let ((a, a_spread), (b, b_spread)) = (mean_and_spread(whole), mean_and_spread(half));
            // Three runs may chance to be alike.
            let spread = (0.5 * (a_spread.powi(2) + b_spread.powi(2))).sqrt().max(0.05 * a);
            assert!((a - b).abs() < 2.0 * spread, "{loss}: {a:.4} and mixed {b:.4}, spread {spread:.4}");
        }
    }
}

/// The trained parameters, without running statistics, which move in skipped steps too.
fn trained(trainer: &Trainer) -> Vec<Exported> {
    let all = trainer.weights().export().unwrap();
    let is_trained = |name: &str| trainer.weights().params.iter().any(|p| p.name == name && p.trained);
    all.into_iter().filter(|p| is_trained(&p.0)).collect()
}

fn methods() -> [Method; 3] {
    let sgd = Sgd { momentum: 0.9, dampening: 0.5, ..Sgd::default() };
    [adam(), Method::NAdam(NAdam::default()), Method::Sgd(sgd)]
}

#[test]
fn steps_that_overflow_are_skipped_and_halve_the_scale() {
    let Some(context) = context() else { return };
    let (x, y) = shapes(4);
    for method in methods() {
        let start = Scaling { start: Scaling::MOST, patience: 1000 };
        let mut first = trainer(&context, "bce", method, Some(start), 3);
        let before = (trained(&first), first.optim_state().unwrap());
        first.step(&x, &y, 4, 1e-2).unwrap();
        assert_eq!(first.scaling().unwrap(), Some(ScalingState { scale: Scaling::MOST / 2.0, skipped: 1 }));
        assert!(trained(&first) == before.0);
        let state = first.optim_state().unwrap();
        assert!(state.tensors == before.1.tensors && state.scalars.contains(&("taken_steps".into(), 0.0)));
        while first.optim_state().unwrap().scalars.contains(&("taken_steps".into(), 0.0)) {
            first.step(&x, &y, 4, 1e-2).unwrap();
        }
        // As if those steps had not been.
        let ScalingState { scale, skipped } = first.scaling().unwrap().unwrap();
        assert!(skipped > 2 && scale == Scaling::MOST / 2f32.powi(skipped as i32), "{scale}, {skipped}");
        let mut second = trainer(&context, "bce", method, Some(Scaling { start: scale, ..start }), 3);
        second.step(&x, &y, 4, 1e-2).unwrap();
        for _ in 0..3 {
            first.step(&x, &y, 4, 1e-2).unwrap();
            second.step(&x, &y, 4, 1e-2).unwrap();
        }
        assert!(trained(&first) == trained(&second), "{method:?}");
        assert!(trained(&first) != before.0);
        let losses = first.losses().unwrap();
        assert!(losses.iter().all(|l| l.is_finite()) && losses[0] == losses[1], "{losses:?}");
    }
}

#[test]
fn the_scale_grows_and_is_restored_to_the_bit() {
    let Some(context) = context() else { return };
    let (x, y) = shapes(4);
    for method in methods() {
        // Grows until it overflows, again and again.
        let scaling = Some(Scaling { start: 65536.0, patience: 2 });
        let new = || trainer(&context, "bce", method, scaling, 3);
        let steps = |trainer: &mut Trainer, n: usize| {
            for _ in 0..n {
                trainer.step(&x, &y, 4, 1e-2).unwrap();
            }
        };
        let (mut whole, mut begun, mut rest) = (new(), new(), new());
        steps(&mut whole, 45);
        steps(&mut begun, 33);
        for (name, _, data) in begun.weights().export().unwrap() {
            rest.weights().set(&name, &data).unwrap();
        }
        rest.restore_optim(&begun.optim_state().unwrap()).unwrap();
        steps(&mut rest, 12);
        assert!(whole.weights().export().unwrap() == rest.weights().export().unwrap(), "{method:?}");
        assert!(whole.optim_state().unwrap().scalars == rest.optim_state().unwrap().scalars);
        let state = whole.scaling().unwrap().unwrap();
        assert!(state.skipped > 0 && state.scale > 65536.0, "{method:?}: {state:?}");
    }
}

#[test]
fn predictions_are_near_those_of_f32() {
    let Some(context) = context() else { return };
    let (x, y) = shapes(8);
    let mut trainer = trainer(&context, "bce", adam(), Some(Scaling::default()), 1);
    for _ in 0..20 {
        trainer.step(&x, &y, 8, 1e-2).unwrap();
    }
    let new = || Predictor::new(&small(), trainer.weights(), [SIZE; 2]);
    let (whole, half) = (new().predict(&x, 8).unwrap(), new().mixed(true).predict(&x, 8).unwrap());
    let furthest = whole.iter().zip(&half).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest > 0.0 && furthest < 0.02, "{furthest}");
}

#[test]
fn devices_without_f16_are_told() {
    let context = Arc::new(Context::portable(&Select::parse(None)).unwrap());
    let mut trainer = trainer(&context, "bce", adam(), Some(Scaling::default()), 1);
    let said = trainer.session(4).map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("shader-f16") && said.contains("mixed precision"), "{said}");
}

#[test]
fn commands_take_the_precision() {
    if context().is_none() {
        return;
    }
    let folder = folder();
    let here = folder.path();
    let mixed = ["--set", "train.precision=mixed"];
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&succeed(here, &[&["plan", "tiny.toml", "--json"], args].concat())).unwrap()
    };
    let bytes = |plan: &serde_json::Value| plan["activation_bytes"].as_u64().unwrap();
    assert!(10 * bytes(&json(&mixed)) < 7 * bytes(&json(&[])));
    succeed(here, &[&["train", "tiny.toml", "--quiet"], &mixed[..]].concat());
    let log = std::fs::read_to_string(here.join("run/metrics.csv")).unwrap();
    assert!(log.contains("loss_scale") && log.contains("65536") && log.contains("skipped_steps"), "{log}");
    let other = run(here, &["train", "tiny.toml", "--quiet", "--resume", "--set", "train.epochs=4"]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("another train.precision"));
    let scores = |precision| succeed(here, &["eval", "run", "--split", "all", "--precision", precision]);
    assert!(scores("f32").contains("pooled") && scores("mixed").contains("pooled"));
    succeed(here, &["shapes", "--out", "new", "--count", "3", "--size", "48"]);
    succeed(here, &["predict", "run", "new/images", "--out", "masks", "--precision", "mixed"]);
    assert_eq!(std::fs::read_dir(here.join("masks")).unwrap().count(), 3);
}

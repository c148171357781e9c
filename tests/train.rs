//! Training through the library.
#![cfg(feature = "cli")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use gyre::{
    Error,
    data::{Dataset, ShapesDataset, ShapesOptions},
    gpu::{Context, Select},
    graph::{Graph, Shape, Weights},
    infer::Predictor,
    io::weights::{self, Tensor},
    loss::{LossOptions, LossSpec},
    models::{Model, Network},
    optim::{Adam, Method, Moments, OptimSpec},
    train::{RunOptions, Trainer, config::Config, load_weights, run, weight_map},
};

const SIZE: usize = 32;

fn context() -> Arc<Context> {
    Arc::new(Context::new(&Select::parse(None)).unwrap())
}

fn tiny() -> Model {
    Model { widths: vec![4, 8], ..Model::new(Network::UNet, 1, 1) }
}

fn trainer(context: &Arc<Context>, loss: &str, micro_batches: usize) -> Trainer {
    let loss = LossSpec::named(loss, &LossOptions::default()).unwrap();
    let optim = OptimSpec::from(Method::Adam(Adam { moments: Moments::default(), amsgrad: false }));
    Trainer::new(context, &tiny(), &loss, &optim, [SIZE; 2], micro_batches, 7).unwrap()
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

fn fresh(context: &Arc<Context>, seed: u64) -> Arc<Weights> {
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(1, SIZE, SIZE, 1));
    tiny().build(&mut graph, x, false).unwrap();
    Arc::new(Weights::new(context, &graph, seed).unwrap())
}

fn predict(weights: &Arc<Weights>, x: &[f32], n: usize) -> Vec<f32> {
    Predictor::new(&tiny(), weights, [SIZE; 2]).predict(x, n).unwrap()
}

#[test]
fn a_tiny_network_learns_shapes() {
    let context = context();
    let (x, y) = shapes(16);
    let half = 8 * SIZE * SIZE;
    for loss in ["bce", "focal_tversky"] {
        let mut trainer = trainer(&context, loss, 1);
        for step in 0..48 {
            let part = (step % 2) * half..(step % 2 + 1) * half;
            trainer.step(&x[part.clone()], &y[part], 8, 2e-2).unwrap();
        }
        assert_eq!(trainer.pending(), 48);
        let losses = trainer.losses().unwrap();
        let (first, last) = (losses[..2].iter().sum::<f32>(), losses[46..].iter().sum::<f32>());
        assert!(losses.len() == 48 && last < 0.5 * first, "{loss}: {losses:?}");
    }
}

#[test]
fn a_batch_in_parts_starts_like_a_whole_one() {
    let context = context();
    let (x, y) = shapes(8);
    let losses = |parts, n: usize| {
        let mut trainer = trainer(&context, "bce", parts);
        for _ in 0..6 {
            trainer.step(&x[..n * SIZE * SIZE], &y[..n * SIZE * SIZE], n, 1e-2).unwrap();
        }
        trainer.losses().unwrap()
    };
    // 7 pictures in 2 parts are 4 and 3.
    for n in [8, 7] {
        let (whole, parts) = (losses(1, n), losses(2, n));
        assert!(parts.len() == 6 && parts.iter().all(|l| l.is_finite()), "{parts:?}");
        // Batch norm sees half as many pictures, so the losses are near and not equal.
        assert!((parts[0] - whole[0]).abs() < 0.05 * whole[0], "{parts:?}, {whole:?}");
        assert!(parts[5] < parts[0] && whole[5] < whole[0], "{parts:?}, {whole:?}");
    }
}

/// Names and shapes of the public U-Net with two levels.
fn public() -> BTreeMap<String, Vec<usize>> {
    let mut all = BTreeMap::new();
    let mut conv = |name: &str, norm: &str, input, out| {
        all.insert(format!("{name}.weight"), vec![out, input, 3, 3]);
        all.insert(format!("{name}.bias"), vec![out]);
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.insert(format!("{norm}.{part}"), vec![out]);
        }
    };
    for (block, input, out) in [("Conv1", 1, 4), ("Conv2", 4, 8), ("Up_conv2", 8, 4)] {
        conv(&format!("{block}.conv.0"), &format!("{block}.conv.1"), input, out);
        conv(&format!("{block}.conv.3"), &format!("{block}.conv.4"), out, out);
    }
    conv("Up2.up.1", "Up2.up.2", 8, 4);
    all.insert("Conv_1x1.weight".into(), vec![1, 4, 1, 1]);
    all.insert("Conv_1x1.bias".into(), vec![1]);
    all
}

#[test]
fn weights_go_out_and_come_back() {
    let context = context();
    let (x, y) = shapes(4);
    let mut trainer = trainer(&context, "bce", 1);
    for _ in 0..5 {
        trainer.step(&x, &y, 4, 1e-2).unwrap();
    }
    let wanted = predict(trainer.weights(), &x, 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    weights::write(&path, &weight_map(trainer.weights()).unwrap(), "{}").unwrap();

    let loaded = fresh(&context, 1);
    assert_ne!(predict(&loaded, &x, 4), wanted);
    load_weights(&loaded, &path).unwrap();
    assert_eq!(predict(&loaded, &x, 4), wanted);

    let (map, _) = weights::read(&path).unwrap();
    let shapes: BTreeMap<_, _> =
        map.iter().map(|(name, Tensor { shape, .. })| (name.clone(), shape.clone())).collect();
    assert_eq!(shapes, public());
    let set = fresh(&context, 2);
    map.iter().for_each(|(name, tensor)| set.set(name, &tensor.data).unwrap());
    assert_eq!(predict(&set, &x, 4), wanted);
}

#[test]
fn the_best_checkpoint_is_a_public_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::from_toml(
        "[model]\nname = 'unet'\nwidths = [4, 8]\nin_channels = 1\n\
         [data]\nkind = 'shapes'\nsize = 32\nchannels = 1\nshapes_count = 12\n\
         [train]\nepochs = 1\nbatch = 4\n",
        &[],
    )
    .unwrap();
    config.train.out = folder.path().join("run");
    let context = context();
    let outcome = run(&context, &config, &RunOptions { quiet: true, ..Default::default() }).unwrap();
    assert!(outcome.steps == 2 && outcome.best.is_some());
    let (map, _) = weights::read(folder.path().join("run/best.safetensors")).unwrap();
    let shapes: BTreeMap<_, _> = map.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect();
    assert_eq!(shapes, public());
}

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    let context = context();
    let (x, y) = shapes(4);
    let mut trainer = trainer(&context, "bce", 1);
    trainer.step(&x, &y, 4, 1e-2).unwrap();
    context.wait().unwrap();
    context.device.destroy();
    let mut failed = false;
    for _ in 0..3 {
        match trainer.step(&x, &y, 4, 1e-2) {
            Err(Error::Device(message)) => failed = !message.is_empty(),
            Err(other) => panic!("{other:?}"),
            Ok(()) => {}
        }
    }
    assert!(failed, "steps on a lost device go on");
    let device = |e: Option<Error>| assert!(matches!(e, Some(Error::Device(_))), "{e:?}");
    device(trainer.losses().err());
    device(weight_map(trainer.weights()).err());
    device(Predictor::new(&tiny(), trainer.weights(), [SIZE; 2]).predict(&x, 4).err());
}

/// Six times one picture: by a network without batch norm that does not move, the loss of those that are trained on is that of the
/// others, whatever the batches. One that moves is judged by its loss.
#[test]
fn validation_is_judged_by_the_loss() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    common::succeed(here, &["shapes", "--out", "one", "--count", "3", "--size", "32"]);
    for kind in ["images", "masks"] {
        let one = std::fs::read_dir(here.join("one").join(kind)).unwrap().next().unwrap().unwrap().path();
        std::fs::create_dir_all(here.join("six").join(kind)).unwrap();
        for i in 0..6 {
            std::fs::copy(&one, here.join(format!("six/{kind}/{i}.png"))).unwrap();
        }
    }
    let text = "[loss]\nname = \"bce\"\n[model]\nname = \"twostageunet\"\nwidths = [4, 8]\nin_channels = 1\n[data]\nroot = \"six\"\nsize = 32\n\
                channels = 1\nflips = false\nval_fraction = 0.5\ntest_fraction = 0.0\n[train]\nbatch = 2\npartial = \"pad\"\njudge = \"loss\"\nepochs = 3\n";
    std::fs::write(here.join("c.toml"), text).unwrap();
    let train = |out: &str, lr: &str| -> Vec<(String, f64)> {
        let (out_key, lr) = (format!("train.out={out}"), format!("optim.lr={lr}"));
        let args = ["train", "c.toml", "--quiet", "--set", out_key.as_str(), "--set", lr.as_str()];
        assert!(common::succeed(here, &args).contains("validation loss"));
        let log = std::fs::read_to_string(here.join(out).join("metrics.jsonl")).unwrap();
        let rows = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.filter_map(|row| Some((row["kind"].as_str()?.to_owned(), row["loss"].as_f64()?))).collect()
    };
    let still = train("still", "1e-30");
    assert_eq!(still.len(), 6);
    assert!(still.iter().all(|(_, loss)| (loss - still[0].1).abs() < 1e-5), "{still:?}");
    let moved = train("moved", "1e-3");
    let lowest =
        moved.iter().filter(|(kind, _)| kind == "val").map(|(_, loss)| *loss).fold(f64::MAX, f64::min);
    let scores = std::fs::read_to_string(here.join("moved/scores.json")).unwrap();
    let best = serde_json::from_str::<serde_json::Value>(&scores).unwrap()["best"].as_f64().unwrap();
    assert!((best + lowest).abs() < 1e-6 && lowest < still[0].1, "{best} {moved:?}");
}

//! EfficientUNet++ in training and prediction: what is frozen, what is dropped, what it starts from.
#![cfg(feature = "cli")]

mod common;

use std::sync::{Arc, OnceLock};

use gyre::{
    gpu::{Context, Select},
    graph::{Exported, Graph, Plan, Session, Shape, Weights},
    infer::predictor,
    io::weights::{self, Tensor, TensorMap},
    loss::LossSpec,
    models::{Encoder, Model, Network, Stage},
    nn::Padding,
    ops::Act,
    optim::{Adam, Method, OptimSpec, Scaling},
    train::{StepOptions, Trainer, load_encoder, load_weights, training_graph, weight_map},
};

fn context() -> &'static Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT.get_or_init(|| Arc::new(Context::new(&Select::parse(None)).unwrap()))
}

/// All that an EfficientNet has, in few channels.
fn small(channels: usize) -> Model {
    let stage = |[expand, repeats, kernel, stride, out]: [usize; 5]| Stage {
        expand: (expand > 0).then_some(expand),
        repeats,
        kernel,
        stride,
        out,
    };
    let stages = [
        [0, 1, 3, 1, 5],
        [2, 2, 3, 2, 6],
        [2, 1, 5, 2, 8],
        [2, 1, 3, 2, 8],
        [2, 2, 5, 1, 9],
        [2, 1, 5, 2, 12],
        [2, 1, 3, 1, 16],
    ];
    let encoder = Encoder { stem: 8, stages: stages.map(stage).into(), ..Encoder::scaled(1.0, 1.0) };
    Model { widths: vec![12, 8, 8, 6, 4], encoder, ..Model::new(Network::EfficientUNetPp, channels, 1) }
}

fn with_encoder(change: impl FnOnce(&mut Encoder)) -> Model {
    let mut model = small(1);
    change(&mut model.encoder);
    model
}

const SIZE: [usize; 2] = [32, 64];
const N: usize = 2;

fn trainer(model: &Model, seed: u64) -> Trainer {
    let optim = OptimSpec::from(Method::Adam(Adam::default()));
    Trainer::new(context(), model, &LossSpec::bce(), &optim, SIZE, 1, seed).unwrap()
}

/// Pictures of squares with noise over them, and which are bright.
fn batch() -> (Vec<f32>, Vec<u8>) {
    let pixels = N * SIZE[0] * SIZE[1];
    let bright = |i: usize| (i / SIZE[1] / 16 + i % SIZE[1] / 16) % 2;
    let x = (0..pixels).map(|i| 0.6 * bright(i) as f32 + (i * 37 % 101) as f32 / 250.0).collect();
    (x, (0..pixels).map(|i| bright(i) as u8).collect())
}

fn steps(trainer: &mut Trainer, count: usize, lr: f32) -> Vec<f32> {
    let (x, y) = batch();
    (0..count).for_each(|_| trainer.step(&x, &y, N, lr).unwrap());
    trainer.losses().unwrap()
}

fn bits(exported: Vec<Exported>) -> Vec<(String, Vec<u32>)> {
    exported.into_iter().map(|(name, _, data)| (name, data.iter().map(|v| v.to_bits()).collect())).collect()
}

#[test]
fn a_frozen_encoder_keeps_every_bit() {
    for frozen in [true, false] {
        let mut trainer = trainer(&with_encoder(|e| e.frozen = frozen), 3);
        let before = bits(trainer.weights().export().unwrap());
        steps(&mut trainer, 3, 1e-2);
        let after = bits(trainer.weights().export().unwrap());
        for ((name, old), (_, new)) in before.iter().zip(&after) {
            // Of the rest all moves but biases that batch norm takes out again.
            if name.starts_with("encoder.") && frozen {
                assert_eq!(old, new, "{name}");
            } else if name.ends_with("running_mean") || name.ends_with("conv_dw.weight") {
                assert_ne!(old, new, "{name}");
            }
        }
        let moved = before.iter().zip(&after).filter(|(b, a)| b.1 != a.1).count();
        assert!(moved > 100, "{moved}");
    }
}

/// In a frozen encoder batch norm takes part with its running statistics: they are folded into the convolutions.
#[test]
fn a_frozen_encoder_computes_as_in_evaluation() {
    let model = with_encoder(|e| e.frozen = true);
    let x = Shape::new(N, SIZE[0], SIZE[1], 1);
    let t = training_graph(&model, &LossSpec::bce(), x, StepOptions::default()).unwrap();
    let of = |name: &str| {
        t.graph.nodes.iter().filter(|n| n.op.name() == name && n.scope.starts_with("encoder")).count()
    };
    assert_eq!(
        (of("batch_norm"), of("batch_norm_grad"), of("conv2d_weight_grad"), of("dropout")),
        (0, 0, 0, 0)
    );
    assert!(t.words.is_none() && of("conv2d") > 20);
}

#[test]
fn skipped_blocks_follow_seed_and_step() {
    let losses = |p: f32, seed: u64| steps(&mut trainer(&with_encoder(|e| e.drop_path = p), seed), 6, 0.0);
    let still = losses(0.0, 1);
    assert!(still.iter().all(|l| l == &still[0]), "{still:?}");
    let drawn = losses(0.9, 1);
    assert!(drawn.iter().any(|l| l != &drawn[0]), "{drawn:?}");
    assert_eq!(drawn, losses(0.9, 1));
}

#[test]
fn training_goes_on_from_a_saved_state_to_the_same_bits() {
    let model = with_encoder(|e| e.drop_path = 0.5);
    let mut straight = trainer(&model, 5);
    let whole = steps(&mut straight, 4, 1e-3);
    let mut first = trainer(&model, 5);
    let mut parts = steps(&mut first, 2, 1e-3);
    let (state, map) = (first.optim_state().unwrap(), weight_map(first.weights()).unwrap());
    let mut second = trainer(&model, 5);
    map.iter().for_each(|(name, tensor)| second.weights().set(name, &tensor.data).unwrap());
    second.restore_optim(&state).unwrap();
    parts.extend(steps(&mut second, 2, 1e-3));
    assert_eq!(parts, whole);
    let end = |t: &Trainer| bits(t.weights().export().unwrap());
    assert_eq!(end(&second), end(&straight));
}

#[test]
fn it_learns() {
    let mut trainer = trainer(&small(1), 2);
    let losses = steps(&mut trainer, 24, 1e-2);
    let (first, last) = (losses[0], losses[20..].iter().sum::<f32>() / 4.0);
    assert!(last < 0.7 * first, "{losses:?}");
}

/// Where the device has f16, also with an encoder that is frozen.
#[test]
fn it_learns_in_mixed_precision() {
    if !context().tier.f16 {
        eprintln!("LEFT OUT: no f16 in shaders");
        return;
    }
    for frozen in [false, true] {
        let optim = OptimSpec { scaling: Some(Scaling::default()), ..Method::Adam(Adam::default()).into() };
        let model = with_encoder(|e| e.frozen = frozen);
        let mut trainer = Trainer::new(context(), &model, &LossSpec::bce(), &optim, SIZE, 1, 2).unwrap();
        let losses = steps(&mut trainer, 24, 1e-2);
        let (first, last) = (losses[0], losses[20..].iter().sum::<f32>() / 4.0);
        assert!(last < 0.8 * first, "frozen {frozen}: {losses:?}");
    }
}

fn fresh(model: &Model, seed: u64) -> Arc<Weights> {
    let (graph, ..) = predictor::graph(model, Shape::new(1, 32, 32, model.in_channels)).unwrap();
    Arc::new(Weights::new(context(), &graph, seed).unwrap())
}

#[test]
fn an_encoder_starts_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let source = weight_map(&fresh(&small(3), 1)).unwrap();
    // As timm names them, with a classifier and counters beside.
    let mut file: TensorMap = source
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("encoder.")?.to_owned(), tensor.clone())))
        .collect();
    file.insert("classifier.weight".into(), Tensor { shape: vec![1], data: vec![0.0] });
    file.insert("bn1.num_batches_tracked".into(), Tensor { shape: vec![], data: vec![7.0] });
    weights::write(&path, &file, "{}").unwrap();
    let drawn = weight_map(&fresh(&small(1), 2)).unwrap();
    let gray = fresh(&small(1), 2);
    load_encoder(&gray, &path).unwrap();
    let got = weight_map(&gray).unwrap();
    for (name, tensor) in &got {
        let stem = name == "encoder.conv_stem.weight";
        match name.starts_with("encoder.") {
            true if !stem => assert_eq!(tensor, &source[name], "{name}"),
            false => assert_eq!(tensor, &drawn[name], "{name}"),
            true => assert_eq!(tensor.shape, [8, 1, 3, 3]),
        }
    }
    let (stem, colour) = (&got["encoder.conv_stem.weight"].data, &source["encoder.conv_stem.weight"].data);
    let sum = |o: usize, t: usize| (0..3).map(|c| colour[(3 * o + c) * 9 + t]).sum::<f32>();
    assert!((0..72).all(|i| (stem[i] - sum(i / 9, i % 9)).abs() < 1e-6));

    let refusal = |change: &dyn Fn(&mut TensorMap)| {
        let mut changed = file.clone();
        change(&mut changed);
        weights::write(&path, &changed, "{}").unwrap();
        load_encoder(&gray, &path).unwrap_err().to_string()
    };
    let missing = refusal(&|map| drop(map.remove("blocks.4.1.bn2.running_var")));
    assert!(missing.contains("lacks encoder.blocks.4.1.bn2.running_var [18]"), "{missing}");
    let short = refusal(&|map| {
        map.insert("bn1.bias".into(), Tensor { shape: vec![7], data: vec![0.0; 7] });
    });
    assert!(short.contains("encoder.bn1.bias") && short.contains("[7]") && short.contains("[8]"), "{short}");
    // Nothing was set by halves.
    assert_eq!(weight_map(&gray).unwrap(), got);
    let plain = fresh(&Model { widths: vec![4, 8], ..Model::new(Network::UNet, 1, 1) }, 0);
    assert!(load_encoder(&plain, &path).unwrap_err().to_string().contains("has none"));
}

#[test]
fn what_a_public_checkpoint_has_beside_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let mut map = weight_map(&fresh(&small(1), 1)).unwrap();
    let wanted = map.clone();
    for name in ["encoder.conv_head.weight", "encoder.bn2.running_mean", "encoder.bn1.num_batches_tracked"] {
        map.insert(name.into(), Tensor { shape: vec![2], data: vec![1.0; 2] });
    }
    weights::write(&path, &map, "{}").unwrap();
    let loaded = fresh(&small(1), 2);
    load_weights(&loaded, &path).unwrap();
    assert_eq!(weight_map(&loaded).unwrap(), wanted);
    map.insert("encoder.conv_heat.weight".into(), Tensor { shape: vec![1], data: vec![1.0] });
    weights::write(&path, &map, "{}").unwrap();
    assert!(load_weights(&loaded, &path).unwrap_err().to_string().contains("encoder.conv_heat.weight"));
}

/// Loss and gradients of a step.
fn step(model: &Model, how: StepOptions) -> Vec<f32> {
    let x = Shape::new(N, SIZE[0], SIZE[1], 1);
    let t = training_graph(model, &LossSpec::bce(), x, how).unwrap();
    let weights = Arc::new(Weights::new(context(), &t.graph, 3).unwrap());
    let session = Session::new(Plan::new(&t.graph, context()).unwrap(), &weights).unwrap();
    session.poison().unwrap();
    let (pictures, classes) = batch();
    session.write(t.x, &pictures).unwrap();
    session.write(t.y, &classes.iter().map(|c| f32::from(*c)).collect::<Vec<_>>()).unwrap();
    session.write(t.seed, &[1.0]).unwrap();
    t.words.iter().for_each(|words| session.write_words(*words, &[1, 0, 2, 3]).unwrap());
    session.run();
    let mut numbers = session.read(t.loss).unwrap();
    for param in weights.params.iter().filter(|p| p.trained) {
        numbers.extend(session.read_gradient(session.gradients().unwrap(), &param.name).unwrap());
    }
    numbers
}

#[test]
fn recomputing_changes_no_number() {
    let [kept, again] =
        [false, true].map(|recompute| step(&small(1), StepOptions { recompute, ..Default::default() }));
    assert!(kept.iter().all(|v| v.is_finite()) && kept == again);
}

#[test]
fn fusion_changes_no_number() {
    let lite = with_encoder(|e| {
        (e.se_ratio, e.act, e.padding) = (None, Act::Relu6, Padding::Same);
    });
    for model in [small(1), lite] {
        let results = [false, true].map(|fuse| {
            let mut graph = Graph::new();
            let x = graph.input("x", Shape::new(N, SIZE[0], SIZE[1], 1));
            let y = model.build(&mut graph, x, false).unwrap();
            graph.output(y);
            if fuse {
                graph.fuse();
            }
            let weights = Arc::new(Weights::new(context(), &graph, 5).unwrap());
            let session = Session::new(Plan::new(&graph, context()).unwrap(), &weights).unwrap();
            session.poison().unwrap();
            session.write(x, &batch().0).unwrap();
            session.run();
            session.read(y).unwrap()
        });
        for (plain, fused) in results[0].iter().zip(&results[1]) {
            approx::assert_relative_eq!(plain, fused, epsilon = 1e-5, max_relative = 1e-3);
        }
    }
}

const RUN: &str = r#"
[model]
name = "efficientunetpp"
encoder = "b0"
widths = [16, 8, 8, 4, 4]
in_channels = 1
[data]
kind = "shapes"
size = 32
channels = 1
shapes_count = 8
[train]
epochs = 1
batch = 2
max_steps = 2
out = "run"
"#;

#[test]
fn a_run_goes_from_plan_to_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(here.join("b0.toml"), RUN).unwrap();
    assert!(common::succeed(here, &["plan", "b0.toml"]).contains("parameters"));
    assert!(common::succeed(here, &["config", "--explain"]).contains("model.encoder_weights"));
    common::succeed(here, &["train", "b0.toml", "--quiet"]);
    common::succeed(here, &["eval", "run"]);
    let pictures = here.join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    let picture = image::GrayImage::from_fn(40, 36, |x, y| image::Luma([(x * y % 256) as u8]));
    picture.save(pictures.join("a.png")).unwrap();
    common::succeed(here, &["predict", "run", "pictures", "--out", "masks"]);
    assert!(here.join("masks/a.png").is_file());

    // The encoder of the run starts another, and stays in it.
    let again = [
        "train",
        "b0.toml",
        "--quiet",
        "--set",
        "model.encoder_weights=run/best.safetensors",
        "--set",
        "model.freeze_encoder=true",
        "--set",
        "train.out=frozen",
        "--set",
        "train.seed=9",
    ];
    common::succeed(here, &again);
    let read = |run: &str| weights::read(here.join(run).join("best.safetensors")).unwrap().0;
    let (first, second) = (read("run"), read("frozen"));
    let encoder: Vec<_> = first.iter().filter(|(name, _)| name.starts_with("encoder.")).collect();
    assert!(encoder.len() > 300 && encoder.iter().all(|(name, tensor)| &second[*name] == *tensor));
    assert_ne!(first["segmentation_head.0.weight"], second["segmentation_head.0.weight"]);
    let missing = ["model.encoder_weights=no.safetensors", "--set", "train.out=none"];
    let refused = common::run(here, &[&again[..4], &missing[..]].concat());
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("no.safetensors"));
    assert!(!here.join("none").exists());
}

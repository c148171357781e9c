//! Two stages: the plan against its parts on the host, what it costs, and the command.

mod common;

use std::sync::Arc;

use gyre::{
    gpu::{Context, Select},
    graph::{Array, Graph, Operator, Role, Shape, Weights},
    infer::{Predictor, TwoStagePredictor, two_stage},
    models::{Doubt, Model, Network, TwoStage},
    ops::{Conv2d, ConvTranspose2d, PatchGather, PatchGrid, PatchPaste, PatchScore, Pool, Resize, TopK},
};

fn context() -> Arc<Context> {
    Arc::new(Context::new(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver"))
}

fn small(network: Network, classes: usize) -> Model {
    Model { widths: vec![4, 8], ..Model::new(network, 3, classes) }
}

fn stages(classes: usize) -> TwoStage {
    let two = TwoStage::new(small(Network::UNet, classes), small(Network::TwoStageUNet, classes));
    TwoStage { factor: 4, cells: [3, 4], patches: 5, ..two }
}

/// Weights of a part of a model alone, equal to those of the whole.
fn part(context: &Arc<Context>, model: &Model, whole: &Weights, prefix: &str) -> Arc<Weights> {
    let mut graph = Graph::new();
    let m = model.multiple();
    let x = graph.input("picture", Shape::new(1, m, m, model.in_channels));
    model.build(&mut graph, x, false).unwrap();
    let weights = Arc::new(Weights::new(context, &graph, 0).unwrap());
    for (name, _, numbers) in whole.export().unwrap() {
        if let Some(name) = name.strip_prefix(&format!("{prefix}.")) {
            weights.set(name, &numbers).unwrap();
        }
    }
    weights
}

fn picture([h, w]: [usize; 2]) -> Array {
    Array::from_fn(Shape::new(1, h, w, 3), |_, y, x, c| {
        let wave = (y as f64 * 0.31 + c as f64).sin() * (x as f64 * 0.17).cos();
        f64::from((2.0 * wave + ((y * 7 + x * 13 + c) % 5) as f64 * 0.2) as f32)
    })
}

fn single(array: &Array) -> Vec<f32> {
    array.data.iter().map(|v| *v as f32).collect()
}

/// The whole plan, on a picture that nothing divides, is what its parts come to one after another on the host.
#[test]
fn the_plan_is_its_parts() {
    let of = |classes, doubt, patches, overlap, blend| TwoStage {
        doubt,
        patches,
        overlap,
        blend,
        ..stages(classes)
    };
    for (model, scale) in [
        (of(1, Doubt::Mean, 5, 0, false), 2.5),
        // Nearer to 0, where patches are unsure enough.
        (of(1, Doubt::Threshold, 12, 3, true), 1.0),
        (of(3, Doubt::Reference, 12, 4, true), 2.5),
        (of(3, Doubt::Mean, 1, 2, false), 2.5),
        (TwoStage { logits: true, ..of(1, Doubt::Reference, 5, 3, true) }, 1.0),
    ] {
        check_parts(&model, scale, 2e-5);
    }
}

/// Any network of gyre is a stage.
#[test]
fn every_network_is_a_stage() {
    let all = Network::ALL;
    for (i, network) in all.into_iter().enumerate() {
        let model = |network| match network {
            Network::EfficientUNetPp => Model { widths: vec![8, 8, 8, 8, 8], ..Model::new(network, 3, 1) },
            _ => small(network, 1),
        };
        let (stage1, stage2) = (model(network), model(all[(i + 1) % all.len()]));
        let two = TwoStage { stage1, stage2, factor: 2, cells: [2, 2], patches: 2, ..stages(1) };
        check_parts(&two, 1.0, 1e-4);
    }
}

/// Compares the plan with its parts; weights are scaled, so that logits are far enough from 0 for patches to differ.
fn check_parts(model: &TwoStage, scale: f32, within: f64) {
    let (context, size, classes) = (context(), [37, 45], model.stage1.out_channels);
    let (graph, ..) = two_stage::graph(model, size).unwrap();
    let weights = Arc::new(Weights::new(&context, &graph, 3).unwrap());
    for (name, _, numbers) in weights.export().unwrap() {
        weights.set(&name, &numbers.iter().map(|v| scale * v).collect::<Vec<_>>()).unwrap();
    }
    let [h, w] = model.padded(size);
    let whole = picture([h, w]);
    let mirrored = |i: usize, n: usize| {
        let i = i % (2 * n - 2);
        if i < n { i } else { 2 * n - 2 - i }
    };
    let padded =
        Array::from_fn(whole.shape, |n, y, x, c| whole.at(n, mirrored(y, size[0]), mirrored(x, size[1]), c));
    let cut = |map: &[f32], c: usize| -> Vec<f64> {
        let rows = map.chunks_exact(w * c).take(size[0]);
        rows.flat_map(|row| &row[..size[1] * c]).map(|v| f64::from(*v)).collect()
    };
    // What is enlarged, pasted and blended, and what is told of it.
    let within_map = |p: f32| if model.logits { f64::from(p / (1.0 - p)).ln() } else { f64::from(p) };
    let told = |v: f64| if model.logits { 1.0 / (1.0 + (-v).exp()) } else { v };

    let [one, two] = [(&model.stage1, "stage1"), (&model.stage2, "stage2")]
        .map(|(m, p)| (m, part(&context, m, &weights, p)));
    let factor = model.factor;
    let low = Pool::average(factor, factor, 0).twin(std::slice::from_ref(&padded)).swap_remove(0);
    let coarse = Predictor::new(one.0, &one.1, [h / factor, w / factor]).predict(&single(&low), 1).unwrap();
    let coarse =
        Array { shape: low.shape.with_c(classes), data: coarse.into_iter().map(within_map).collect() };
    let map = Resize::bilinear([h, w], false).twin(&[coarse]).swap_remove(0);
    let grid = PatchGrid { cells: model.cells, size };
    let chances = Array { shape: map.shape, data: map.data.iter().map(|v| told(*v)).collect() };
    let scores = PatchScore { grid, of_means: model.doubt != Doubt::Mean, factor: 1 }
        .twin(std::slice::from_ref(&chances));
    let at_least = (model.doubt == Doubt::Threshold).then_some(0.25);
    let ranked = TopK { k: model.patches, at_least }.twin(&scores);
    let window = model.window(size);
    let gathered = PatchGather { grid, window }.twin(&[padded.clone(), ranked[0].clone()]).swap_remove(0);
    let refined = Predictor::new(two.0, &two.1, window).predict(&single(&gathered), model.patches).unwrap();
    let refined =
        Array { shape: gathered.shape.with_c(classes), data: refined.into_iter().map(within_map).collect() };
    let paste = PatchPaste { grid, blend: if model.blend { model.overlap } else { 0 }, factor: 1 };
    let pasted = paste.twin(&[map, refined, ranked[1].clone()]).swap_remove(0);
    let want: Vec<f32> = pasted.data.iter().map(|v| told(*v) as f32).collect();

    let seen = cut(&single(&whole), 3).into_iter().map(|v| v as f32).collect::<Vec<_>>();
    let got = TwoStagePredictor::new(model.clone(), &weights).predict(&seen, size).unwrap();
    let want = cut(&want, classes);
    assert_eq!(got.len(), want.len());
    let far = |got: &[f32]| got.iter().zip(&want).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
    assert!(far(&got) < within, "{model:?}: {}", far(&got));
    // And it is not what stage 1 says alone.
    let alone: Vec<f32> = cut(&single(&chances), classes).into_iter().map(|v| v as f32).collect();
    assert!(far(&alone) > 1e-3, "{model:?}");
    if context.tier.f16 {
        let half = TwoStagePredictor::new(model.clone(), &weights).mixed(true).predict(&seen, size).unwrap();
        assert!(half != got && far(&half) < 0.05, "{model:?} in half: {}", far(&half));
    }
}

/// One patch, which is all of the picture, and a factor of 1: the second network alone.
#[test]
fn one_patch_is_the_second_network() {
    let context = context();
    for logits in [false, true] {
        let model = TwoStage { factor: 1, cells: [1, 1], patches: 1, logits, ..stages(1) };
        let size = [16, 24];
        let weights =
            Arc::new(Weights::new(&context, &two_stage::graph(&model, size).unwrap().0, 1).unwrap());
        let seen = single(&picture(size));
        let got = TwoStagePredictor::new(model.clone(), &weights).predict(&seen, size).unwrap();
        let alone = part(&context, &model.stage2, &weights, "stage2");
        let want = Predictor::new(&model.stage2, &alone, size).predict(&seen, 1).unwrap();
        let far = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{logits}: {far}");
    }
}

/// Operations of convolutions.
fn convolutions(graph: &Graph) -> u64 {
    let is_one = |op: &dyn Operator| op.is::<Conv2d>().is_some() || op.is::<ConvTranspose2d>().is_some();
    graph.nodes.iter().filter(|node| is_one(&*node.op)).map(|node| graph.node_cost(node).flops).sum()
}

/// The paper's networks: 1/64 of the baseline for stage 1, and 1/N for N of NxN patches; of the whole plan little more.
#[test]
fn operations_fall_as_the_arithmetic_says() {
    let network = Model::new(Network::TwoStageUNet, 3, 1);
    let size = [1024, 1024];
    let mut baseline = Graph::new();
    let x = baseline.input("picture", Shape::new(1, size[0], size[1], 3));
    network.build(&mut baseline, x, false).unwrap();
    assert_eq!(baseline.parameter_count(), 18_842_241);
    for n in [2, 4, 8, 16] {
        let model = TwoStage { cells: [n, n], patches: n, ..TwoStage::new(network.clone(), network.clone()) };
        assert_eq!(model.padded(size), size);
        let (graph, picture, _) = two_stage::graph(&model, size).unwrap();
        let n = n as u64;
        assert_eq!(convolutions(&graph) * 64 * n, convolutions(&baseline) * (64 + n), "{n}");
        let ratio = graph.cost().flops as f64 / baseline.cost().flops as f64;
        let expected = 1.0 / 64.0 + 1.0 / n as f64;
        assert!(ratio > expected * 0.99 && ratio < expected * 1.01 + 0.001, "{ratio} for {expected}");
        // All of it is one plan that takes a picture.
        let inputs = graph.vars.iter().filter(|var| var.role == Role::Input).count();
        assert_eq!((inputs, graph.input_named("picture")), (1, Some(picture)));
    }
}

#[test]
fn misfits_are_refused() {
    let of = |model: TwoStage, size| two_stage::graph(&model, size).map(|_| ()).unwrap_err().to_string();
    let fine = stages(1);
    assert!(two_stage::graph(&fine, [37, 45]).is_ok());
    for (model, size, part) in [
        (TwoStage { patches: 13, ..fine.clone() }, [37, 45], "the grid has 12"),
        (TwoStage { factor: 0, ..fine.clone() }, [37, 45], "above 0"),
        (TwoStage { stage2: small(Network::UNet, 2), ..fine.clone() }, [37, 45], "alike"),
        (TwoStage { overlap: 9, blend: true, ..fine.clone() }, [37, 45], "twice as large"),
        (TwoStage { blend: true, ..fine.clone() }, [37, 45], "an overlap above 0"),
        (fine, [2, 45], "no 3x4 patches"),
    ] {
        let message = of(model, size);
        assert!(message.contains(part), "{message}");
    }
}

const RUN: &str = r#"
[data]
kind = "shapes"
shapes_size = 64
shapes_scale = 0.5
shapes_count = 12
shapes_test = 4
channels = 1
val_fraction = 0.0
normalise = "unit"
[loss]
name = "focal_dice"
[optim]
name = "adam"
lr = 1e-3
[train]
epochs = 2
batch = 4
"#;

/// Three runs, then both stages beside the baseline, and masks of pictures of another size.
#[test]
fn the_command_from_training_to_masks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("run.toml"), RUN).unwrap();
    let net = ["--set", "model.widths=[4, 8]", "--set", "model.in_channels=1"];
    for (name, sets) in [
        ("s1", vec!["model.name=unet", "data.size=16"]),
        ("s2", vec!["model.name=twostageunet", "data.size=16", "data.fit=tile", "data.crops=2"]),
        ("bl", vec!["model.name=twostageunet", "data.size=64"]),
    ] {
        let out = format!("train.out={name}");
        let mut args = vec!["train", "run.toml", "--quiet", "--set", out.as_str()];
        args.extend(net);
        sets.iter().for_each(|set| args.extend(["--set", *set]));
        common::succeed(folder, &args);
    }
    let keys = "stage1 = \"s1\"\nstage2 = \"s2\"\nbaseline = \"bl\"\nfactor = 4\ngrid = 4\npatches = 3\n";
    std::fs::write(folder.join("two.toml"), keys).unwrap();
    let eval = |more: &[&str]| -> serde_json::Value {
        let args = [&["two-stage", "eval", "two.toml", "--json"], more].concat();
        serde_json::from_str(&common::succeed(folder, &args)).unwrap()
    };
    let three = eval(&[]);
    let names: Vec<&str> =
        three["ways"].as_array().unwrap().iter().filter_map(|w| w["name"].as_str()).collect();
    assert_eq!(names, ["baseline", "stage 1", "two stages"]);
    assert_eq!(three["ways"][2]["scores"]["images"], 4);
    assert_eq!((&three["window"][0], &three["patches"]), (&16.into(), &3.into()));
    let flops = |scores: &serde_json::Value, way: usize| scores["ways"][way]["flops"].as_u64().unwrap();
    assert!(flops(&three, 1) < flops(&three, 2) && flops(&three, 2) < flops(&three, 0));
    // None refined is stage 1; all refined is something else.
    let (none, all) = (eval(&["--patches", "0"]), eval(&["--patches", "16"]));
    assert_eq!(none["ways"][2]["scores"], none["ways"][1]["scores"]);
    assert_eq!(none["ways"][1]["scores"], three["ways"][1]["scores"]);
    assert_ne!(all["ways"][2]["scores"], all["ways"][1]["scores"]);
    assert!(common::succeed(folder, &["two-stage", "eval", "two.toml"]).contains("times as fast"));

    let picture = image::GrayImage::from_fn(77, 53, |x, y| image::Luma([((x * y) % 251) as u8]));
    picture.save(folder.join("odd.png")).unwrap();
    let args = ["two-stage", "predict", "two.toml", "--set", "overlap=4", "--set", "blend=true"];
    let to = ["--pictures", "odd.png", "--out", "masks", "--write", "mask,probability"];
    common::succeed(folder, &[&args[..], &to].concat());
    assert_eq!(image::image_dimensions(folder.join("masks/odd.png")).unwrap(), (77, 53));
    assert_eq!(image::image_dimensions(folder.join("masks/odd_p.png")).unwrap(), (77, 53));

    let fails = |more: &[&str], part: &str| {
        let output = common::run(folder, &[&["two-stage", "eval", "two.toml"], more].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(part), "{said}");
    };
    fails(&["--patches", "17"], "the grid has 16");
    fails(&["--set", "patchs=2"], "patchs");
    fails(&["--stage1", "none"], "none");
    // Its test pictures are others.
    let args = ["train", "run.toml", "--quiet", "--set", "train.out=other", "--set", "data.shapes_test=3"];
    let sets = ["--set", "model.name=unet", "--set", "data.size=16"];
    common::succeed(folder, &[&args[..], &net, &sets].concat());
    fails(&["--stage1", "other"], "another part of the split");
}

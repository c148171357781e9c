//! Models made smaller: in integers, in half, with fewer channels or weights.
#![cfg(feature = "cli")]

mod common;

use std::{
    fs,
    path::Path,
    sync::{Arc, OnceLock},
};

use common::{folder, run, succeed};
use gyre::{
    gpu::{Context, Select},
    graph::{Exported, Layout, Shape, Weights},
    infer::{Observer, Predictor, Quantization, Range, predictor},
    io::weights,
    models::{
        Model, Network, Smoothing, Unit,
        prune::{Importance, magnitude, narrowed},
    },
};

fn context() -> &'static Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT.get_or_init(|| Arc::new(Context::new(&Select::parse(None)).expect("a driver")))
}

fn tiny(network: Network, widths: &[usize]) -> Model {
    Model { widths: widths.to_vec(), t: 2, ..Model::new(network, 1, 1) }
}

/// One of each kind, with all that ties channels to others.
fn networks() -> Vec<Model> {
    let mut all: Vec<Model> = Network::U_NETS.into_iter().map(|n| tiny(n, &[8, 16])).collect();
    all.push(Model { share: false, ..tiny(Network::RrAttUNet, &[8, 16]) });
    for unit in [Unit::Grrb { still_input: false, still_gate: false }, Unit::ConvLstm, Unit::Eta] {
        all.push(Model { unit, ..tiny(Network::SiGREnet, &[8, 16]) });
    }
    all.push(tiny(Network::TwoStageUNet, &[8, 16]));
    all.push(Model { smoothing: Smoothing { median: 3, sigma: 0.7 }, ..tiny(Network::UNet, &[8, 16]) });
    all
}

/// Weights as drawn, but norms that are none of the identity.
fn drawn(model: &Model, seed: u64) -> Arc<Weights> {
    let side = 2 * model.multiple();
    let graph = predictor::graph(model, Shape::new(1, side, side, model.in_channels)).unwrap().0;
    let weights = Weights::new(context(), &graph, seed).unwrap();
    for (name, shape, mut data) in weights.export().unwrap() {
        if shape.len() == 1 {
            let start = if name.ends_with("weight") || name.contains("running_var") { 0.8 } else { -0.1 };
            data.iter_mut().enumerate().for_each(|(i, v)| *v = start + 0.07 * (i % 5) as f32);
            weights.set(&name, &data).unwrap();
        }
    }
    Arc::new(weights)
}

fn picture(side: usize, number: usize) -> Vec<f32> {
    let wave = |i: usize| ((i % side * (3 + number)) as f32 * 0.11).sin() + ((i / side) as f32 * 0.23).cos();
    (0..side * side).map(wave).collect()
}

/// A predictor with other weights of the same names.
fn with(model: &Model, side: usize, numbers: &[Exported]) -> Predictor {
    let graph = predictor::graph(model, Shape::new(1, side, side, model.in_channels)).unwrap().0;
    let weights = Weights::new(context(), &graph, 9).unwrap();
    numbers.iter().for_each(|(name, _, data)| weights.set(name, data).unwrap());
    Predictor::new(model, &Arc::new(weights), [side; 2])
}

/// Differences as a share of how much the numbers vary, both as root mean squares.
fn apart(got: &[f32], want: &[f32]) -> f64 {
    let mean = want.iter().map(|v| f64::from(*v)).sum::<f64>() / want.len() as f64;
    let square = |f: &dyn Fn(usize) -> f64| (0..want.len()).map(|i| f(i).powi(2)).sum::<f64>();
    let far = square(&|i| f64::from(got[i]) - f64::from(want[i]));
    (far / square(&|i| f64::from(want[i]) - mean)).sqrt()
}

fn logit(p: &[f32]) -> Vec<f32> {
    p.iter().map(|p| (p / (1.0 - p)).ln()).collect()
}

fn quantized(model: &Model, weights: &Arc<Weights>, side: usize, range: Range) -> (Quantization, Predictor) {
    let mut observer = Observer::new(model, weights, [side; 2], range, &[]).unwrap();
    (0..4).for_each(|i| observer.look(&picture(side, i)).unwrap());
    let quantization = observer.quantization().unwrap();
    let graph = predictor::graph(model, Shape::new(1, side, side, 1)).unwrap().0;
    let numbers = quantization.numbers(&graph, weights.export().unwrap()).unwrap();
    let made = Weights::new(context(), &quantization.apply(&graph).unwrap(), 3).unwrap();
    numbers.iter().for_each(|(name, _, data)| made.set(name, data).unwrap());
    // What is stored in a byte comes back as it was.
    assert_eq!(made.export().unwrap(), numbers);
    let predictor = Predictor::new(model, &Arc::new(made), [side; 2]).quantized(quantization.clone());
    (quantization, predictor)
}

#[test]
fn integers_are_near_f32_in_every_network() {
    // Of GREnet's memory nothing is held at first.
    let others = [Network::GREnet, Network::ResUNet, Network::UNetPp].map(|n| tiny(n, &[8, 16]));
    for model in networks().into_iter().chain(others) {
        let (side, weights) = (4 * model.multiple(), drawn(&model, 1));
        let (_, mut small) = quantized(&model, &weights, side, Range::MinMax);
        let mut real = Predictor::new(&model, &weights, [side; 2]);
        let seen = [picture(side, 0), picture(side, 5)].concat();
        let (got, want) = (small.predict(&seen, 2).unwrap(), real.predict(&seen, 2).unwrap());
        let apart = apart(&logit(&got), &logit(&want));
        println!("{} {:?}: {apart:.4}", model.network.name(), model.unit);
        assert!(apart > 0.0, "{model:?} was not quantized");
        assert!(apart < 0.15, "{model:?}: {apart}");
        if context().tier.f16 {
            let half = small.mixed(true).predict(&seen, 2).unwrap();
            let apart = self::apart(&logit(&half), &logit(&got));
            assert!(apart < 0.05, "{model:?}, what is not in integers in half: {apart}");
        }
    }
}

#[test]
fn a_quantized_graph_holds_integers() {
    let model = tiny(Network::UNet, &[8, 16]);
    let weights = drawn(&model, 2);
    let (quantization, _) = quantized(&model, &weights, 16, Range::Percentile(99.0));
    let graph = predictor::graph(&model, Shape::new(1, 16, 16, 1)).unwrap().0;
    let made = quantization.apply(&graph).unwrap();
    let count = |name: &str| made.nodes.iter().filter(|n| n.op.name() == name).count();
    // Two at each level down, one enlarged, two up, the head; those that follow each other alone pass integers on.
    assert_eq!((count("conv2d"), count("conv2d_int8")), (0, 8));
    assert!(count("quantize") < 8, "{} tensors are quantized", count("quantize"));
    assert!(made.params.iter().all(|p| !p.name.contains("running")), "norms are folded");
    let bytes =
        |g: &gyre::graph::Graph| g.params.iter().map(|p| p.precision.bytes(p.layout.shape())).sum::<u64>();
    assert!(3 * bytes(&made) < 2 * bytes(&graph), "{} of {}", bytes(&made), bytes(&graph));
    // Ranges of another model.
    let other = predictor::graph(&tiny(Network::TwoStageUNet, &[8, 16]), Shape::new(1, 16, 16, 1)).unwrap().0;
    assert!(quantization.apply(&other).unwrap_err().to_string().contains("no convolution"));
}

/// Where channels give nothing, cutting them out changes nothing.
#[test]
fn dead_channels_are_cut_out_of_every_network() {
    for model in networks() {
        let (side, weights) = (2 * model.multiple(), drawn(&model, 4));
        let mut numbers = weights.export().unwrap();
        for ((name, shape, data), param) in numbers.iter_mut().zip(&weights.params) {
            let axis = usize::from(matches!(param.layout, Layout::ConvTranspose { .. }));
            let inner: usize = shape[axis + 1..].iter().product();
            let odd = |i: usize| i / inner % shape[axis] % 2 == 1;
            if !name.contains("running_var") {
                data.iter_mut().enumerate().filter(|(i, _)| odd(*i)).for_each(|(_, v)| *v = 0.0);
            }
        }
        let mut judges = vec![Importance::L1];
        judges.extend((model.network != Network::TwoStageUNet).then_some(Importance::BatchNorm));
        for by in judges {
            let (narrow, cut) = narrowed(&model, vec![4, 8], &numbers, by).unwrap();
            let seen = picture(side, 3);
            let want = with(&model, side, &numbers).predict(&seen, 1).unwrap();
            let got = with(&narrow, side, &cut).predict(&seen, 1).unwrap();
            let far = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{} {:?} by {by:?}: {far}", model.network.name(), model.unit);
            let count = |all: &[Exported]| all.iter().map(|(.., data)| data.len()).sum::<usize>();
            assert!(2 * count(&cut) < count(&numbers));
        }
        let (_, same) = narrowed(&model, model.widths.clone(), &numbers, Importance::L1).unwrap();
        assert_eq!(same, numbers);
    }
}

#[test]
fn widths_that_are_no_narrower_form_are_refused() {
    let model = tiny(Network::UNet, &[8, 16]);
    let numbers = drawn(&model, 5).export().unwrap();
    let refusal = |widths: &[usize]| {
        narrowed(&model, widths.to_vec(), &numbers, Importance::L1).unwrap_err().to_string()
    };
    for widths in [&[8][..], &[9, 16], &[0, 8], &[4, 8, 8]] {
        assert!(refusal(widths).contains("no narrower form"), "{widths:?}");
    }
    let bare = tiny(Network::TwoStageUNet, &[8, 16]);
    let numbers = drawn(&bare, 5).export().unwrap();
    let error = narrowed(&bare, vec![4, 8], &numbers, Importance::BatchNorm).unwrap_err().to_string();
    assert!(error.contains("no batch norm"), "{error}");
}

#[test]
fn the_smallest_weights_go() {
    let of = |name: &str, data: &[f32]| (name.to_owned(), vec![data.len(), 1], data.to_vec());
    let all = vec![
        of("a", &[0.1, -5.0, 0.2, 6.0]),
        of("b", &[-0.3, 0.4, 7.0, -8.0]),
        ("bias".to_owned(), vec![2], vec![0.01, 0.02]),
    ];
    let mut global = all.clone();
    assert_eq!(magnitude(&mut global, 0.375, false).unwrap(), 0.375);
    assert_eq!(
        (global[0].2.clone(), global[1].2.clone()),
        (vec![0.0, -5.0, 0.0, 6.0], vec![0.0, 0.4, 7.0, -8.0])
    );
    assert_eq!(global[2], all[2]);
    let mut each = all.clone();
    assert_eq!(magnitude(&mut each, 0.25, true).unwrap(), 0.25);
    assert_eq!((each[0].2[0], each[1].2[0], each[1].2[1]), (0.0, 0.0, 0.4));
    assert!(magnitude(&mut each, 1.0, true).unwrap_err().to_string().contains("below 1"));
}

fn error(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(!output.status.success(), "{args:?} succeeds");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn dice(folder: &Path, args: &[&str]) -> f64 {
    let text = succeed(folder, &[&["eval", "--json"], args].concat());
    let scores: serde_json::Value = serde_json::from_str(&text).unwrap();
    scores["pooled"]["macro_foreground"]["dice"].as_f64().unwrap()
}

#[test]
fn a_run_is_quantized_halved_pruned_and_goes_on() {
    let folder = folder();
    let at = folder.path();
    succeed(at, &["train", "tiny.toml", "--quiet"]);
    let whole = dice(at, &["run"]);

    let said = succeed(at, &["quantize", "run", "--pictures", "8", "--runs", "1"]);
    assert!(said.contains("8 of 8 convolutions") && said.contains("| int8 |"), "{said}");
    let report: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at.join("run/int8.json")).unwrap()).unwrap();
    let int8 = dice(at, &["run", "--weights", "run/int8.safetensors"]);
    assert_eq!(report["rows"][1]["dice"].as_f64(), Some(int8));
    assert!((int8 - whole).abs() < 0.05, "{int8} {whole}");
    let bytes = |row: usize| report["rows"][row]["bytes"].as_u64().unwrap();
    assert!(2 * bytes(1) < bytes(0));
    assert!(at.join("run/int8.md").is_file());
    assert!(error(at, &["quantize", "run"]).contains("there already"));
    let again = ["quantize", "run", "--overwrite", "--runs", "1", "--pictures", "4"];
    assert!(error(at, &[&again[..], &["--percentile", "20"]].concat()).contains("above 50"));
    assert!(error(at, &[&again[..], &["--skip", "Nothing"]].concat()).contains("Conv1.conv.0"));
    let twice = [&again[..], &["--weights", "run/int8.safetensors"]].concat();
    assert!(error(at, &twice).contains("what is read"));
    assert!(error(at, &[&twice[..], &["-o", "twice.safetensors"]].concat()).contains("quantized"));
    let onto = ["export", "run", "--f16", "run/best.safetensors", "--overwrite"];
    assert!(error(at, &onto).contains("what is read"));
    let said = succeed(at, &[&again[..], &["--skip", "Conv_1x1", "--percentile", "99.9"]].concat());
    assert!(said.contains("7 of 8"), "{said}");
    let on = ["train", "run", "--set", "train.out=on", "--init", "run/int8.safetensors"];
    assert!(error(at, &on).contains("quantized"));

    let said = succeed(at, &["export", "run", "--f16", "half.safetensors", "--runs", "1"]);
    assert!(said.contains("| f16 |"), "{said}");
    assert!((dice(at, &["run", "--weights", "half.safetensors"]) - whole).abs() < 0.01);
    assert!(error(at, &["export", "run", "--f16", "half.safetensors"]).contains("there already"));

    succeed(at, &["prune", "run", "--channels", "0.5", "-o", "narrow", "--runs", "1"]);
    let plan = |run: &str| -> serde_json::Value {
        serde_json::from_str(&succeed(at, &["plan", run, "--inference", "--json"])).unwrap()
    };
    let parameters = |run: &str| plan(run)["parameters"].as_u64().unwrap();
    assert!(2 * parameters("narrow") < parameters("run"));
    dice(at, &["narrow"]);
    assert!(error(at, &["prune", "run", "--channels", "0.5", "-o", "narrow"]).contains("there already"));
    assert!(error(at, &["prune", "run", "--widths", "8,8", "-o", "wide"]).contains("no narrower form"));
    assert!(error(at, &["prune", "run", "-o", "none"]).contains("--channels"));
    // Fine-tuning begins with the weights that are left, and not with new ones.
    let tune = ["train", "narrow", "--quiet", "--set", "train.out=tuned", "--set", "train.epochs=1"];
    succeed(at, &[&tune[..], &["--set", "optim.lr=1e-30"]].concat());
    let (kept, tuned) = (at.join("narrow/best.safetensors"), at.join("tuned/last.safetensors"));
    let name = "Conv1.conv.0.weight";
    let [kept, tuned] = [kept, tuned].map(|file| weights::read(file).unwrap().0.remove(name).unwrap());
    assert_eq!(kept, tuned);

    // A pruned run has no curriculum, whose pretext would begin weights anew.
    let config = fs::read_to_string(at.join("run/config.toml")).unwrap();
    let config = config
        .replace("initialise = false", "initialise = true")
        .replace("order = \"none\"", "order = \"rotation\"");
    fs::create_dir(at.join("taught")).unwrap();
    fs::write(at.join("taught/config.toml"), config).unwrap();
    fs::copy(at.join("run/best.safetensors"), at.join("taught/best.safetensors")).unwrap();
    let said = succeed(at, &["prune", "taught", "--channels", "0.5", "-o", "untaught", "--runs", "1"]);
    assert!(said.contains("fine-tune it"), "{said}");
    succeed(at, &["train", "untaught", "--quiet", "--set", "train.out=taught-on", "--set", "train.epochs=1"]);

    succeed(at, &["prune", "run", "--weights-share", "0.6", "-o", "sparse", "--runs", "1"]);
    let sparse = weights::read(at.join("sparse/best.safetensors")).unwrap().0;
    let numbers = sparse.values().filter(|t| t.shape.len() > 1).flat_map(|t| &t.data);
    let (all, zeros) = numbers.fold((0, 0), |(all, zeros), v| (all + 1, zeros + u32::from(*v == 0.0)));
    assert!((f64::from(zeros) / f64::from(all) - 0.6).abs() < 0.01, "{zeros} of {all}");
}

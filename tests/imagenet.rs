//! Public ImageNet weights in the encoder, with the classifier that they came with: pictures get their known classes.
//!
//! Not run by default, since the weights are not shipped:
//!
//! ```sh
//! gyre import efficientnet-lite0.pth -o lite0.safetensors
//! GYRE_LITE0=lite0.safetensors GYRE_PICTURES="cat.png=281,282,285 coffee.png=967,968" \
//!     cargo test --test imagenet -- --ignored --nocapture
//! ```
#![cfg(feature = "cli")]

use std::{env, path::Path, sync::Arc};

use gyre::{
    gpu::{Context, Select},
    graph::{Graph, Plan, Session, Shape, Var, Weights},
    io::weights,
    models::Encoder,
    nn::{ConvForm, Net, Padding},
    ops::{Act, Keep, Reduce},
};
use image::imageops::FilterType;

const SIDE: u32 = 224;

/// The encoder and, as in the checkpoint, what makes classes of its last feature.
fn classifier(encoder: &Encoder) -> (Graph, Var, Var) {
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(1, SIDE as usize, SIDE as usize, 3));
    let mut net = Net::new(&mut graph, false);
    let features = net
        .scoped("encoder", |net| {
            let last = *encoder.build(net, x)?.last().unwrap();
            net.bn_eps = encoder.bn_eps;
            let z = net.conv_of("conv_head", &[last], 1280, ConvForm::pointwise(true))?;
            let z = net.batch_norm("bn2", z, None)?;
            net.act(Act::Relu6, z)
        })
        .unwrap();
    let shape = net.graph.shape(features);
    let mean = net.graph.apply(Reduce::mean(Keep::PictureChannels, shape), &[features]).unwrap();
    let scores = net.project("classifier", &[mean], 1000, true).unwrap();
    graph.output(scores);
    (graph, x, scores)
}

/// The middle square of a picture, 0 to 255.
fn middle(path: &Path) -> Vec<f32> {
    let picture = image::open(path).unwrap().to_rgb8();
    let (w, h) = picture.dimensions();
    let side = w.min(h);
    let square = image::imageops::crop_imm(&picture, (w - side) / 2, (h - side) / 2, side, side).to_image();
    let small = image::imageops::resize(&square, SIDE, SIDE, FilterType::CatmullRom);
    small.into_raw().into_iter().map(f32::from).collect()
}

#[test]
#[ignore = "wants ImageNet weights in GYRE_LITE0 and pictures in GYRE_PICTURES"]
fn lite0_knows_its_classes() {
    let file = env::var("GYRE_LITE0").expect("GYRE_LITE0");
    let given = env::var("GYRE_PICTURES").expect("GYRE_PICTURES");
    let tensors = weights::read(&file).unwrap().0;
    let context = Arc::new(Context::new(&Select::parse(None)).unwrap());
    let scalings: [(&str, [f32; 3], [f32; 3]); 2] = [
        ("-1 to 1", [127.5; 3], [127.5; 3]),
        ("mean and deviation", [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    ];
    for padding in [Padding::Same, Padding::Symmetric] {
        for bn_eps in [1e-3, 1e-5] {
            let (graph, x, scores) = classifier(&Encoder { padding, bn_eps, ..Encoder::lite0() });
            let learnt = Arc::new(Weights::new(&context, &graph, 0).unwrap());
            for param in &learnt.params {
                learnt.set(&param.name, &tensors[&param.name].data).unwrap();
            }
            let session = Session::new(Plan::new(&graph, &context).unwrap(), &learnt).unwrap();
            for (scaling, mean, deviation) in scalings {
                for picture in given.split_whitespace() {
                    let (path, classes) = picture.split_once('=').expect("PATH=CLASS,...");
                    let right: Vec<usize> = classes.split(',').map(|c| c.parse().unwrap()).collect();
                    let scaled = middle(Path::new(path)).into_iter().enumerate();
                    let pixels: Vec<f32> =
                        scaled.map(|(i, v)| (v - mean[i % 3]) / deviation[i % 3]).collect();
                    session.write(x, &pixels).unwrap();
                    session.run();
                    let found = session.read(scores).unwrap();
                    let top = found.iter().fold(f32::MIN, |top, v| top.max(*v));
                    let total: f32 = found.iter().map(|v| (v - top).exp()).sum();
                    let best = (0..1000).max_by(|a, b| found[*a].total_cmp(&found[*b])).unwrap();
                    let share: f32 = right.iter().map(|c| (found[*c] - top).exp() / total).sum();
                    println!(
                        "{padding:?}, {bn_eps:e}, {scaling}, {path}: best {best}, right ones {share:.3}"
                    );
                    // As the weights were trained.
                    if padding == Padding::Same && bn_eps == 1e-3 && scaling == "-1 to 1" {
                        assert!(right.contains(&best), "{path}: {best}");
                    }
                }
            }
        }
    }
}

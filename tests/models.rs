//! Sizes and names of the networks.

use gyre::{
    Error,
    graph::{Graph, Shape},
    models::{Encoder, Model, Network, Unit},
};

fn graph(model: &Model) -> Graph {
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(1, 32, 16, model.in_channels));
    let y = model.build(&mut graph, x, true).unwrap();
    assert_eq!(graph.shape(y), Shape::new(1, 32, 16, model.out_channels));
    graph
}

fn count(model: &Model) -> usize {
    graph(model).parameter_count()
}

#[test]
fn public_networks_have_their_published_sizes() {
    let known = [
        (Network::UNet, 34_527_041, 34_525_889),
        (Network::R2UNet, 39_091_393, 39_091_265),
        (Network::AttUNet, 34_878_573, 34_877_421),
        (Network::R2AttUNet, 39_442_925, 39_442_797),
    ];
    for (network, colour, gray) in known {
        assert_eq!(count(&Model::new(network, 3, 1)), colour, "{network:?}");
        assert_eq!(count(&Model::new(network, 1, 1)), gray, "{network:?}");
    }
}

#[test]
fn the_gated_recurrent_network_has_its_sizes() {
    let model = Model::new(Network::RrAttUNet, 1, 1);
    assert!(model.share && !model.gate_bn);
    assert_eq!(count(&model), 35_952_708);
    assert_eq!(count(&Model { gate_bn: true, ..model.clone() }), 35_954_954);
    assert_eq!(count(&Model { share: false, ..model.clone() }), 67_360_836);
    assert_eq!(count(&Model { attention: false, ..model }), 35_607_745);
}

/// The two-stage paper's network, as its public code has it.
#[test]
fn the_strided_network_has_its_published_sizes() {
    let count =
        |channels| encoded_graph(&Model::new(Network::TwoStageUNet, channels, 1), 1, true).parameter_count();
    assert_eq!(count(3), 18_842_241);
    assert_eq!(count(1), 18_841_089);
}

/// Each stage of GREnet but the first has a ConvLSTM, a 1x1 convolution and a selective-kernel block beside its U-Net.
#[test]
fn networks_of_several_results_have_their_published_sizes() {
    let count = |model: &Model| encoded_graph(model, 1, false).parameter_count();
    let grenet = Model::new(Network::GREnet, 3, 1);
    assert_eq!(count(&Model { t: 1, ..grenet.clone() }), 1_962_625);
    assert_eq!(count(&grenet), 20_443_011);
    assert_eq!(grenet.stages(), 3);
    let nested = Model { widths: vec![32, 64, 128, 256, 512], ..Model::new(Network::UNetPp, 3, 1) };
    // That of one result alone, and three more heads.
    assert_eq!(count(&nested), 9_163_329 + 3 * 33);
    assert_eq!(nested.stages(), 4);
}

/// By its parts, and how many times as large convolutional LSTMs are as gated residual blocks: the paper says 7 to 8.
#[test]
fn the_separable_network_has_the_size_of_its_parts() {
    let model = Model::new(Network::SiGREnet, 3, 1);
    let of = |unit| count(&Model { unit, ..model.clone() });
    let gated = |still_gate| Unit::Grrb { still_input: true, still_gate };
    assert_eq!(of(gated(false)), 1_637_884);
    let own = |unit| (of(unit) - of(Unit::Absent)) as f64;
    let ratios = [false, true].map(|still| own(Unit::ConvLstm) / own(gated(still)));
    assert!((23.0..24.0).contains(&ratios[0]) && (34.0..35.0).contains(&ratios[1]), "{ratios:?}");
    assert!(own(Unit::Eta) > 0.0);
    assert_eq!(count(&Model { t: 7, ..model }), 1_637_884);
}

fn encoded(encoder: Encoder, channels: usize) -> Model {
    Model { encoder, ..Model::new(Network::EfficientUNetPp, channels, 3) }
}

/// The graph on a picture of one pixel at the deepest level.
fn encoded_graph(model: &Model, n: usize, train: bool) -> Graph {
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(n, 32, 32, model.in_channels));
    let y = model.build(&mut graph, x, train).unwrap();
    assert_eq!(graph.shape(y), Shape::new(n, 32, 32, model.out_channels));
    graph
}

/// As the public code, without the last convolution of the encoder and its batch norm, which nothing reads.
#[test]
fn networks_with_an_encoder_have_their_published_sizes() {
    let known = [
        ("b0", 3_595_388, 2_117_902, 5_713_725),
        ("b1", 6_101_024, 2_117_902, 8_219_361),
        ("b2", 7_202_562, 2_316_374, 9_519_371),
        ("b3", 10_103_336, 2_667_774, 12_771_545),
        ("b4", 16_742_216, 3_218_542, 19_961_193),
        ("b5", 27_288_112, 3_756_054, 31_044_601),
        ("b6", 39_403_992, 4_432_518, 43_836_945),
        ("b7", 62_143_440, 5_284_598, 67_428_473),
        ("lite0", 2_958_848, 2_117_902, 5_077_185),
    ];
    for (name, encoder, decoder, all) in known {
        let graph = encoded_graph(&encoded(Encoder::named(name).unwrap(), 3), 1, false);
        let under = |start: &str| {
            let of = graph.params.iter().filter(|p| p.trained && p.name.starts_with(start));
            of.map(|p| p.layout.count()).sum::<usize>()
        };
        let parts = [under("encoder."), under("decoder.blocks."), under("segmentation_head.0.")];
        assert_eq!(parts, [encoder, decoder, 435], "{name}");
        assert_eq!(graph.parameter_count(), all, "{name}");
    }
}

#[test]
fn an_encoder_is_named_as_in_public_checkpoints() {
    let graph = encoded_graph(&encoded(Encoder::scaled(1.0, 1.0), 1), 1, false);
    let shape = |name: &str| graph.params.iter().find(|p| p.name == name).map(|p| p.layout.torch_shape());
    let known: [(&str, &[usize]); 8] = [
        ("encoder.conv_stem.weight", &[32, 1, 3, 3]),
        ("encoder.blocks.0.0.conv_pw.weight", &[16, 32, 1, 1]),
        ("encoder.blocks.1.0.conv_pw.weight", &[96, 16, 1, 1]),
        ("encoder.blocks.2.1.conv_dw.weight", &[240, 1, 5, 5]),
        ("encoder.blocks.5.3.se.conv_reduce.bias", &[48]),
        ("encoder.blocks.6.0.bn3.running_var", &[320]),
        ("decoder.blocks.x_0_0.conv1.block.6.cSE.1.weight", &[432, 432, 1, 1]),
        ("decoder.blocks.x_1_2.conv2.block.8.running_mean", &[24]),
    ];
    for (name, wanted) in known {
        assert_eq!(shape(name).as_deref(), Some(wanted), "{name}");
    }
    let absent = ["encoder.conv_head.weight", "decoder.blocks.x_0_0.conv2.skip_conv.0.weight"];
    assert!(absent.iter().all(|name| shape(name).is_none()));
}

#[test]
fn a_frozen_encoder_is_kept_and_not_trained() {
    let all = encoded_graph(&encoded(Encoder::lite0(), 3), 2, true);
    let frozen = encoded_graph(&encoded(Encoder { frozen: true, ..Encoder::lite0() }, 3), 2, true);
    assert_eq!(all.parameter_count() - frozen.parameter_count(), 2_958_848);
    let names = |graph: &Graph| {
        graph.params.iter().map(|p| (p.name.clone(), p.layout.clone(), p.init)).collect::<Vec<_>>()
    };
    assert_eq!(names(&all), names(&frozen));
    assert!(frozen.params.iter().all(|p| !(p.trained && p.name.starts_with("encoder."))));
}

#[test]
fn pictures_skip_blocks_with_a_shortcut_in_training_alone() {
    let drops = |encoder: Encoder, train: bool| {
        let graph = encoded_graph(&encoded(encoder, 3), 2, train);
        graph
            .nodes
            .iter()
            .filter(|n| n.op.name() == "dropout")
            .map(|n| format!("{:?}", n.op))
            .collect::<Vec<_>>()
    };
    let b0 = || Encoder::scaled(1.0, 1.0);
    let all = drops(b0(), true);
    // All repeated blocks, each with a mask of its own.
    assert_eq!(all.len(), 9);
    assert!(all.iter().enumerate().all(|(i, op)| op.contains(&format!("salt: {i},"))), "{all:?}");
    assert!(all[0].contains(&format!("p: {:?}", 0.2f32 * 2.0 / 16.0)), "{}", all[0]);
    assert!(drops(b0(), false).is_empty());
    assert!(drops(Encoder { drop_path: 0.0, ..b0() }, true).is_empty());
    assert!(drops(Encoder { frozen: true, ..b0() }, true).is_empty());
}

#[test]
fn encoders_and_decoders_that_do_not_fit_are_refused() {
    let refusal = |model: Model, size: [usize; 2]| {
        let mut graph = Graph::new();
        let x = graph.input("picture", Shape::new(1, size[0], size[1], 3));
        model.build(&mut graph, x, false).unwrap_err().to_string()
    };
    let b0 = || encoded(Encoder::scaled(1.0, 1.0), 3);
    assert!(refusal(b0(), [48, 32]).contains("multiples of 32"));
    assert!(refusal(Model { widths: vec![8, 4], ..b0() }, [32; 2]).contains("five widths"));
    assert!(refusal(Model { squeeze: 0, ..b0() }, [32; 2]).contains("squeeze"));
    let mut flat = b0();
    flat.encoder.stages[3].stride = 1;
    assert!(refusal(flat, [32; 2]).contains("[1, 2, 2, 1, 1, 2, 1]"));
    let mut empty = b0();
    empty.encoder.stages[2].repeats = 0;
    assert!(refusal(empty, [32; 2]).contains("repeats"));
}

#[test]
fn looking_again_costs_no_parameters() {
    for network in [Network::R2UNet, Network::R2AttUNet, Network::RrAttUNet] {
        let model = Model { widths: vec![6, 9, 12], ..Model::new(network, 3, 2) };
        let wanted = count(&model);
        for t in [0, 1, 3] {
            for bn_per_step in [false, true] {
                assert_eq!(count(&Model { t, bn_per_step, ..model.clone() }), wanted, "{network:?}, t {t}");
            }
        }
    }
}

#[test]
fn statistics_are_named_by_step_or_as_in_public_checkpoints() {
    let names = |bn_per_step| {
        let model = Model { widths: vec![4, 8], bn_per_step, ..Model::new(Network::R2UNet, 1, 1) };
        graph(&model).params.into_iter().filter(|p| !p.trained).map(|p| p.name).collect::<Vec<_>>()
    };
    let public = "RRCNN1.RCNN.0.conv.1.running_mean".to_string();
    let by_step = names(true);
    for step in 0..=2 {
        assert!(by_step.contains(&format!("{public}.{step}")), "{by_step:?}");
    }
    assert!(!by_step.contains(&public) && !by_step.contains(&format!("{public}.3")), "{by_step:?}");
    let shared = names(false);
    assert!(shared.contains(&public), "{shared:?}");
    assert!(shared.iter().all(|n| n.ends_with("running_mean") || n.ends_with("running_var")), "{shared:?}");
}

#[test]
fn sizes_that_cannot_be_halved_are_refused() {
    for network in Network::U_NETS {
        let model = Model { widths: vec![4, 8, 8], ..Model::new(network, 1, 1) };
        for (h, w) in [(30, 32), (32, 34), (2, 2), (0, 4), (33, 33)] {
            let mut graph = Graph::new();
            let x = graph.input("picture", Shape::new(1, h, w, 1));
            let error = model.build(&mut graph, x, true).unwrap_err();
            let message = error.to_string();
            assert!(
                matches!(error, Error::Shape { .. }) && message.contains(&format!("{h}x{w}")),
                "{message}"
            );
        }
        let mut graph = Graph::new();
        let x = graph.input("picture", Shape::new(1, 8, 8, 3));
        let message = model.build(&mut graph, x, true).unwrap_err().to_string();
        assert!(message.contains("3 channels"), "{message}");
    }
}

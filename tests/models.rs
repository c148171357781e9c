//! Sizes and names of the networks.

use gyre::{
    Error,
    graph::{Graph, Shape},
    models::{Model, Network},
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
    for network in Network::ALL {
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

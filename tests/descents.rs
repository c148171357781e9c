//! Networks with a descent: keys, training, evaluation with other steps, bad settings.

use std::sync::{Arc, OnceLock};

use gyre::{
    gpu::{Context, Select},
    graph::{Graph, Plan, Session, Shape, Weights},
    infer::{Follower, Predictor, predictor},
    loss::{Link, LossOptions, LossSpec},
    models::{Descent, EdgeFilter, Energy, Model, Network},
    nn::Net,
    ops::energy::{Rule, Through},
    optim::{Adam, Method, OptimSpec},
    train::{Trainer, config::Config, weight_map},
};

fn context() -> &'static Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT.get_or_init(|| Arc::new(Context::new(&Select::parse(None)).expect("a device")))
}

const SIZE: [usize; 2] = [16, 16];
const CLASSES: usize = 3;

fn model(descent: Descent) -> Model {
    Model { widths: vec![8, 8], descent: Some(descent), ..Model::new(Network::UNet, 1, CLASSES) }
}

fn descent(energy: Energy) -> Descent {
    Descent { steps: 3, memories: 6, threshold: 0.5, ..Descent::new(energy) }
}

/// A field without decay, on pictures that all look alike: as printed, beliefs grow by a tenth each step.
#[test]
fn a_diverging_field_is_told() {
    let diverging = Descent { steps: 900, normalised: false, ..descent(Energy::Crf) };
    let error = |d: Descent| {
        let graph = predictor::graph(&model(d.clone()), Shape::new(1, 16, 16, 1)).unwrap().0;
        let weights = Arc::new(Weights::new(context(), &graph, 3).unwrap());
        Predictor::new(&model(d), &weights, SIZE).predict(&[0.5; 256], 1).map(|_| ())
    };
    let said = error(diverging.clone()).unwrap_err();
    assert!(matches!(said, gyre::Error::Diverged(_)) && said.to_string().contains("descent.steps"), "{said}");
    error(Descent { normalised: true, ..diverging }).unwrap();
}

/// Losses of some steps on two pictures whose halves are of different classes.
fn losses(model: &Model, count: usize) -> Vec<f32> {
    let optim: OptimSpec = Method::Adam(Adam::default()).into();
    let options = LossOptions { link: Link::Softmax, ..LossOptions::default() };
    let loss = LossSpec::named("cross_entropy", &options).unwrap();
    let mut trainer = Trainer::new(context(), model, &loss, &optim, SIZE, 1, 2).unwrap();
    let pixels = 2 * SIZE[0] * SIZE[1];
    let right = |i: usize| i % 16 >= 8;
    let x: Vec<f32> = (0..pixels).map(|i| f32::from(u8::from(right(i))) + (i % 5) as f32 * 0.1).collect();
    let y: Vec<u8> = (0..pixels).map(|i| if right(i) { 1 + (i / 256) as u8 } else { 0 }).collect();
    (0..count).for_each(|_| trainer.step(&x, &y, 2, 1e-2).unwrap());
    trainer.losses().unwrap()
}

#[test]
fn every_energy_learns_at_every_level() {
    use Energy::{Crf, Ensemble, Hopfield, Hybrid, Som};
    for energy in [Som, Crf, Hopfield, Hybrid, Ensemble] {
        for level in [0, 1] {
            let losses = losses(&model(Descent { level, ..descent(energy) }), 12);
            assert!(losses[11] < 0.9 * losses[0], "{energy:?} {level}: {losses:?}");
        }
    }
}

#[test]
fn filters_and_ways_back_learn() {
    let som = descent(Energy::Som);
    for changed in [
        Descent { filter: EdgeFilter::Learned, softness: 0.2, ..som.clone() },
        Descent { filter: EdgeFilter::Hessian, smoothing: 1.0, ..som.clone() },
        Descent { rule: Rule::Response { literal: false }, through: Through::Last(1), ..som.clone() },
        Descent { anchor: 0.2, through: Through::Implicit(10), ..som },
        Descent { matrix: false, normalised: true, ..descent(Energy::Crf) },
    ] {
        let losses = losses(&model(changed.clone()), 12);
        assert!(losses[11] < 0.9 * losses[0], "{changed:?}: {losses:?}");
    }
}

/// The same but for rounding.
fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0))
}

/// Probabilities of two pictures, a bright half and a shade that hardly changes, by weights of one seed.
fn probabilities(d: Descent) -> Vec<f32> {
    let pictures: Vec<f32> =
        (0..512).map(|i| if i < 256 { (i % 16 / 8) as f32 } else { 0.001 * i as f32 }).collect();
    let model = model(d);
    let graph = predictor::graph(&model, Shape::new(2, 16, 16, 1)).unwrap().0;
    let weights = Arc::new(Weights::new(context(), &graph, 3).unwrap());
    Predictor::new(&model, &weights, SIZE).predict(&pictures, 2).unwrap()
}

/// Followed step by step, beliefs come to where the descent of a network brings them.
#[test]
fn steps_one_by_one_are_the_whole_descent() {
    let (picture, labels) = (Shape::new(1, SIZE[0], SIZE[1], 1), CLASSES);
    let numbers = |count: usize| (0..count).map(|i| (i * 37 % 101) as f32 / 101.0).collect::<Vec<_>>();
    let (seen, first) = (numbers(picture.count()), numbers(picture.with_c(labels).count()));
    for energy in [Energy::Som, Energy::Crf, Energy::Hopfield, Energy::Hybrid] {
        let descent = Descent { anchor: 0.1, steps: 7, ..descent(energy) };
        let mut graph = Graph::new();
        let [x, v] =
            [("picture", picture), ("beliefs", picture.with_c(labels))].map(|(n, s)| graph.input(n, s));
        let made = descent.apply(&mut Net::new(&mut graph, false), x, v).unwrap();
        graph.output(made);
        let weights = Arc::new(Weights::new(context(), &graph, 5).unwrap());
        let session = Session::new(Plan::new(&graph, context()).unwrap(), &weights).unwrap();
        session.write(x, &seen).unwrap();
        session.write(v, &first).unwrap();
        session.run();
        let learnt = weight_map(&weights).unwrap();
        let follower = Follower::new(context(), &descent, picture, labels, &learnt).unwrap();
        let mut states = Vec::new();
        let keep = |step: usize, state: &[f32]| {
            assert_eq!(step, states.len());
            states.push(state.to_vec());
            Ok(())
        };
        let trail = follower.follow(&seen, &first, keep).unwrap();
        assert_eq!((states.len(), &states[0]), (8, &first), "{energy:?}");
        assert!(near(&states[7], &session.read(made).unwrap()), "{energy:?}");
        assert!(trail.diverged.is_none() && trail.energies.iter().all(|(_, values)| values.len() == 8));
        assert_eq!(trail.edges.is_some(), matches!(energy, Energy::Som | Energy::Hybrid));
    }
}

/// With a tolerance that ends it after the first stretch the picture is as that stretch left it; with none after any.
#[test]
fn pictures_that_settle_are_left_as_they_are() {
    for energy in [Energy::Som, Energy::Hopfield] {
        let of =
            |steps, tolerance| probabilities(Descent { steps, tolerance, stretch: 4, ..descent(energy) });
        assert!(near(&of(40, 1e9), &of(4, 0.0)), "{energy:?}");
        assert!(near(&of(40, 1e-30), &of(40, 0.0)), "{energy:?}");
        assert!(!near(&of(40, 0.0), &of(4, 0.0)), "{energy:?}");
    }
}

/// The same weights serve any number of steps; with none, they are those of the network alone.
#[test]
fn trained_weights_take_other_numbers_of_steps() {
    for energy in [Energy::Som, Energy::Crf, Energy::Hopfield, Energy::Hybrid, Energy::Ensemble] {
        let of = |steps| probabilities(Descent { steps, normalised: true, ..descent(energy) });
        let plain = of(0);
        assert!(plain != of(3) && of(3) != of(20), "{energy:?}");
    }
}

/// At level k the decoder's features of a 2^(k-1)th of the picture's size descend, in every network.
#[test]
fn levels_are_counted_from_the_size_of_the_picture() {
    for network in Network::ALL {
        let x = Shape::new(1, 64, 64, 1);
        let plain = Model::new(network, 1, CLASSES);
        for level in 0..=plain.levels() {
            let widths = plain.widths.iter().map(|w| (w / 16).max(4)).collect();
            let descent = Some(Descent { level, ..descent(Energy::Som) });
            let graph = predictor::graph(&Model { widths, descent, ..plain.clone() }, x).unwrap().0;
            let state = graph.nodes.iter().find(|n| n.op.name() == "energy/som").unwrap().outputs[0];
            let side = 64 >> level.saturating_sub(1);
            assert_eq!([graph.shape(state).h, graph.shape(state).w], [side; 2], "{network:?} {level}");
            assert_eq!(graph.shape(state).c == CLASSES, level == 0, "{network:?} {level}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let of = |d: Descent| {
        predictor::graph(&model(d), Shape::new(1, 16, 16, 1)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(of(Descent { level: 2, ..descent(Energy::Som) }).contains("decoder levels 1 to 1"));
    let said = of(Descent { patch: 5, ..descent(Energy::Hopfield) });
    assert!(said.contains("5 x 5") || said.contains("5x5"), "{said}");
    let complaint = |text: &str| Config::from_toml(text, &[]).unwrap_err().to_string();
    for (text, says) in [
        ("descent = { energy = \"soma\" }", "som"),
        ("descent = { energy = \"som\", gradient = \"implicit\" }", "descent.anchor"),
        // As printed a step of the field multiplies by 1.1 - 0.05.
        ("descent = { energy = \"crf\", gradient = \"implicit\", anchor = 0.05 }", "more than 0.1"),
        ("descent = { energy = \"som\", gradient = \"implicit\", anchor = 0.05 }", "descent.gradient_steps"),
        ("descent = { energy = \"hopfield\", gradient = \"implicit\", retrieval = \"relu\" }", "along a ray"),
        ("descent = { energy = \"som\", filter = \"learned\" }", "descent.softness"),
        ("descent = { energy = \"crf\", step_size = 0.0 }", "descent.step_size"),
        ("descent = { energy = \"hybrid\", tolerance = 0.1 }", "descent.tolerance"),
        ("descent = { energy = \"hopfield\", patch = 0 }", "descent.patch"),
        ("descent = { steps = 20000 }", "descent.steps"),
        ("descent = { stepsize = 1 }", "step"),
    ] {
        let said = complaint(text);
        assert!(said.contains(says), "{text}: {said}");
    }
}

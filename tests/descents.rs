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

/// Followed step by step, beliefs come to the last bit where the descent of a network brings them.
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
        assert_eq!(
            (states.len(), &states[0], &states[7]),
            (8, &first, &session.read(made).unwrap()),
            "{energy:?}"
        );
        assert!(trail.diverged.is_none() && trail.energies.iter().all(|(_, values)| values.len() == 8));
        assert_eq!(trail.edges.is_some(), matches!(energy, Energy::Som | Energy::Hybrid));
    }
}

#[test]
fn pictures_that_settle_are_left_as_they_are() {
    let graph = |d: Descent| predictor::graph(&model(d), Shape::new(2, 16, 16, 1)).unwrap().0;
    let settles = graph(Descent { tolerance: 1e-3, steps: 50, ..descent(Energy::Som) });
    assert_eq!(settles.nodes.iter().filter(|node| node.op.name() == "energy/settle").count(), 5);
    let plain = graph(Descent { steps: 50, ..descent(Energy::Som) });
    assert!(plain.nodes.iter().all(|node| node.op.name() != "energy/settle"));
}

#[test]
fn what_cannot_be_is_refused() {
    let of = |d: Descent| {
        predictor::graph(&model(d), Shape::new(1, 16, 16, 1)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(of(Descent { level: 2, ..descent(Energy::Som) }).contains("decoder levels 1 to 1"));
    assert!(of(Descent { patch: 5, ..descent(Energy::Hopfield) }).contains('5'));
    let complaint = |text: &str| Config::from_toml(text, &[]).unwrap_err().to_string();
    for (text, says) in [
        ("descent = { energy = \"soma\" }", "som"),
        ("descent = { energy = \"som\", gradient = \"implicit\" }", "descent.anchor"),
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

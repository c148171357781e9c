//! What must hold of the descents whatever they descend from, and their gradients at rest.

use std::sync::{Arc, OnceLock};

use gyre::{
    gpu::{Context, Select},
    graph::{Array, Graph, Operator, Plan, Session, Shape, Weights},
    ops::{
        add,
        energy::{Crf, CrfKernel, EdgeMask, Hopfield, Retrieval, Rule, Som, Through},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn context() -> &'static Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT.get_or_init(|| Arc::new(Context::new(&Select::parse(None)).expect("a device")))
}

fn random(shape: Shape, scale: f32, rng: &mut ChaCha8Rng) -> Array {
    Array::from_fn(shape, |_, _, _, _| f64::from(scale * rng.random_range(-1.0f32..1.0)))
}

/// Outputs of an operator on the device, and of the gradient of the first output's sum of squares / 2 by some inputs.
fn run(op: impl Operator, inputs: &[Array], wrt: &[usize]) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut graph = Graph::new();
    let vars: Vec<_> =
        inputs.iter().enumerate().map(|(i, a)| graph.input(&format!("{i}"), a.shape)).collect();
    let made = graph.apply_all(op, &vars).unwrap();
    made.iter().for_each(|v| graph.output(*v));
    let by: Vec<_> = wrt.iter().map(|i| vars[*i]).collect();
    let gradients =
        if by.is_empty() { Vec::new() } else { graph.backward(made[0], made[0], &by, add).unwrap() };
    let gradients: Vec<_> = gradients.into_iter().map(|g| g.expect("a gradient")).collect();
    gradients.iter().for_each(|v| graph.output(*v));
    let plan = Plan::new(&graph, context()).unwrap();
    let session = Session::new(plan, &Arc::new(Weights::new(context(), &graph, 0).unwrap())).unwrap();
    session.poison().unwrap();
    for (var, array) in vars.iter().zip(inputs) {
        let data: Vec<f32> = array.data.iter().map(|v| *v as f32).collect();
        session.write(*var, &data).unwrap();
    }
    session.run();
    let read = |vars: &[gyre::graph::Var]| vars.iter().map(|v| session.read(*v).unwrap()).collect();
    (read(&made), read(&gradients))
}

fn mask(shape: Shape, rng: &mut ChaCha8Rng) -> Array {
    let filtered = random(shape.with_c(1), 1.0, rng);
    EdgeMask::new(0.6, 0.0).twin(&[filtered]).remove(0)
}

/// No energy of a picture's `steps + 1` is above the one before it by more than rounding.
fn assert_falls(energies: &[f32], steps: usize) {
    for picture in energies.chunks(steps + 1) {
        for pair in picture.windows(2) {
            assert!(pair[1] <= pair[0] + 2e-6 * pair[0].abs().max(1.0), "{picture:?}");
        }
        assert!(picture[steps] < picture[0], "{picture:?}");
    }
}

const EQUILIBRIUM: Rule = Rule::Equilibrium { include_self: false };

#[test]
fn the_masked_edge_energy_never_rises() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for (rate, include_self) in [(0.1, false), (0.5, true), (0.9, false), (1.0, true)] {
        let v = random(Shape::new(2, 13, 11, 5), 3.0, &mut rng);
        let phi = mask(v.shape, &mut rng);
        let op = Som { traced: true, ..Som::new(Rule::Equilibrium { include_self }, rate, 30) };
        assert_falls(&run(op, &[v, phi], &[]).0[1], 30);
    }
}

#[test]
fn the_energy_of_a_hopfield_network_never_rises() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for retrieval in Retrieval::ALL {
        // By squares the energy has a floor only where memories are short.
        let length = if retrieval == Retrieval::Relu { 0.2 } else { 1.0 };
        for rate in [0.1, 1.0] {
            let v = random(Shape::new(2, 2, 3, 12), 2.0, &mut rng);
            let memories = random(Shape::new(1, 1, 9, 12), length, &mut rng);
            let op = Hopfield { retrieval, traced: true, ..Hopfield::new(rate, 20) };
            assert_falls(&run(op, &[v, memories], &[]).0[1], 20);
        }
    }
}

/// Whether what the left half becomes depends on the right half, with all edges between them cut.
fn crosses(rule: Rule) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let shape = Shape::new(1, 8, 8, 4);
    let filtered = Array::from_fn(shape.with_c(1), |_, _, x, _| if x < 4 { 0.0 } else { 9.0 });
    let phi = EdgeMask::new(1.0, 0.0).twin(&[filtered]).remove(0);
    let left = random(shape, 1.0, &mut rng);
    let mut after = [1.0, 5.0].map(|scale| {
        let right = random(shape, scale, &mut rng);
        let v = Array::from_fn(
            shape,
            |n, y, x, c| if x < 4 { left.at(n, y, x, c) } else { right.at(n, y, x, c) },
        );
        run(Som::new(rule, 0.5, 100), &[v, phi.clone()], &[]).0.remove(0)
    });
    let half = |map: &mut Vec<f32>| map.chunks(8 * 4).flat_map(|row| row[..16].to_vec()).collect::<Vec<_>>();
    let [a, b] = &mut after;
    half(a) != half(b)
}

#[test]
fn no_belief_crosses_a_cut_edge() {
    assert!(!crosses(EQUILIBRIUM));
    assert!(!crosses(Rule::Response { literal: false }));
    // exp(0) = 1: as printed, eq 10 leaks.
    assert!(crosses(Rule::Response { literal: true }));
}

/// Gradients at rest against those through many steps.
fn assert_implicit(label: &str, of: impl Fn(Through) -> (Vec<Vec<f32>>, Vec<Vec<f32>>)) {
    let (unrolled, implicit) = (of(Through::Unrolled), of(Through::Implicit(500)));
    assert_eq!(unrolled.0, implicit.0, "{label}");
    for (a, b) in unrolled.1.iter().zip(&implicit.1) {
        let largest = a.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest > 1e-3 && apart <= 1e-3 * largest, "{label}: {apart} of {largest}");
    }
}

const STEPS: usize = 500;

#[test]
fn the_implicit_gradient_of_the_anchored_map_is_that_of_many_steps() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let start = random(Shape::new(1, 3, 4, 3), 0.5, &mut rng);
    let phi = Array::from_fn(start.shape.with_c(4), |_, _, _, _| f64::from(rng.random_range(0.2f32..1.0)));
    for rule in [EQUILIBRIUM, Rule::Response { literal: false }] {
        assert_implicit(&format!("{rule:?}"), |through| {
            let op = Som { anchor: 0.1, through, ..Som::new(rule, 0.3, STEPS) };
            run(op, &[start.clone(), phi.clone(), start.clone()], &[1, 2])
        });
    }
}

#[test]
fn the_implicit_gradient_of_the_anchored_field_is_that_of_many_steps() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let start = random(Shape::new(1, 3, 4, 3), 1.0, &mut rng);
    let picture = random(start.shape.with_c(1), 1.0, &mut rng);
    let likeness = CrfKernel::new(1.0, true).twin(&[picture]).remove(0);
    let compatibility = random(Shape::new(1, 1, 3, 3), 0.4, &mut rng);
    assert_implicit("crf", |through| {
        let op = Crf { anchor: 0.2, normalised: true, through, ..Crf::new(0.2, STEPS) };
        run(op, &[start.clone(), likeness.clone(), compatibility.clone(), start.clone()], &[1, 2, 3])
    });
}

#[test]
fn the_implicit_gradient_of_a_hopfield_network_is_that_of_many_steps() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let v = random(Shape::new(1, 2, 2, 4), 1.0, &mut rng);
    let memories = random(Shape::new(1, 1, 5, 4), 0.8, &mut rng);
    assert_implicit("hopfield", |through| {
        let op = Hopfield { through, ..Hopfield::new(0.2, STEPS) };
        run(op, &[v.clone(), memories.clone()], &[1])
    });
}

/// A step that is no step, and terms that do not fit.
#[test]
fn a_gradient_at_rest_wants_an_equilibrium() {
    let v = Shape::new(1, 4, 4, 3);
    let op = Som { through: Through::Implicit(9), ..Som::new(EQUILIBRIUM, 0.1, 5) };
    let said = op.shapes(&[v, v.with_c(4)]).unwrap_err().to_string();
    assert!(said.contains("anchor") && said.contains("equilibrium"), "{said}");
}

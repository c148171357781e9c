//! What must hold of the descents whatever they descend from, and their gradients at rest.

use std::sync::{Arc, OnceLock};

use gyre::{
    gpu::{Choices, Context, Select},
    graph::{Array, Graph, Operator, Plan, Session, Shape, Var, Weights},
    ops::{
        add,
        energy::{Crf, CrfKernel, EdgeMask, Hopfield, Retrieval, Rule, Som, Through},
    },
};
use proptest::prelude::*;
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
    let session = computed(&graph, &Choices::default(), &vars, inputs);
    let read = |vars: &[Var]| vars.iter().map(|v| session.read(*v).unwrap()).collect();
    (read(&made), read(&gradients))
}

/// Outputs of an operator on the device, in each of its forms.
fn forms(op: impl Operator, inputs: &[Array]) -> Vec<Vec<Vec<f32>>> {
    let mut graph = Graph::new();
    let vars: Vec<_> =
        inputs.iter().enumerate().map(|(i, a)| graph.input(&format!("{i}"), a.shape)).collect();
    let made = graph.apply_all(op, &vars).unwrap();
    made.iter().for_each(|v| graph.output(*v));
    let of = |choices: &Choices| {
        let session = computed(&graph, choices, &vars, inputs);
        made.iter().map(|v| session.read(*v).unwrap()).collect()
    };
    graph.all_choices(&context().capabilities()).iter().map(of).collect()
}

/// A session that has run over poisoned memory.
fn computed(graph: &Graph, choices: &Choices, vars: &[Var], inputs: &[Array]) -> Session {
    let plan = Plan::with(graph, context(), choices).unwrap();
    let session = Session::new(plan, &Arc::new(Weights::new(context(), graph, 0).unwrap())).unwrap();
    session.poison().unwrap();
    for (var, array) in vars.iter().zip(inputs) {
        let data: Vec<f32> = array.data.iter().map(|v| *v as f32).collect();
        session.write(*var, &data).unwrap();
    }
    session.run();
    session
}

/// Whether no energy of a picture's `steps + 1` is above the one before it by more than rounding.
fn falls(energies: &[f32], steps: usize) -> bool {
    let small = |pair: &[f32]| pair[1] <= pair[0] + 2e-6 * pair[0].abs().max(1.0);
    energies.chunks(steps + 1).all(|picture| picture.windows(2).all(small))
}

const EQUILIBRIUM: Rule = Rule::Equilibrium { include_self: false };

/// Pictures of up to 40 pixels a side, so that some are cut into regions, with beliefs of any size.
fn maps() -> impl Strategy<Value = (Shape, f32, u64)> {
    let shape = (1..3usize, 1..41usize, 1..41usize, 1..7usize);
    (shape, -2.0..3.0f32, any::<u64>())
        .prop_map(|((n, h, w, c), scale, seed)| (Shape::new(n, h, w, c), 10f32.powf(scale), seed))
}

/// Whether what is left of column `cut` depends on what is right of it, with all edges between them cut.
fn crosses(rule: Rule, (shape, scale, seed): (Shape, f32, u64), cut: usize) -> Vec<bool> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let filtered = Array::from_fn(shape.with_c(1), |_, _, x, _| if x < cut { 0.0 } else { 9.0 });
    let phi = EdgeMask::new(1.0, 0.0).twin(&[filtered]).remove(0);
    let left = random(shape, scale, &mut rng);
    let [a, b] = [1.0, 5.0].map(|times| {
        let right = random(shape, times * scale, &mut rng);
        let v = Array::from_fn(
            shape,
            |n, y, x, c| {
                if x < cut { left.at(n, y, x, c) } else { right.at(n, y, x, c) }
            },
        );
        forms(Som::new(rule, 0.5, 12), &[v, phi.clone()])
    });
    let kept = |made: &Vec<Vec<f32>>| -> Vec<f32> {
        made[0].chunks(shape.w * shape.c).flat_map(|row| row[..cut * shape.c].to_vec()).collect()
    };
    a.iter().zip(&b).map(|(a, b)| kept(a) != kept(b)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_masked_edge_energy_never_rises(
        map in maps(), rate in 0.01..1.0f32, include_self: bool, threshold in 0.05..1.5f32,
    ) {
        let (shape, scale, seed) = map;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let filtered = random(shape.with_c(1), 1.0, &mut rng);
        let phi = EdgeMask::new(threshold, 0.0).twin(&[filtered]).remove(0);
        let op = Som { traced: true, ..Som::new(Rule::Equilibrium { include_self }, rate, 12) };
        for made in forms(op, &[random(shape, scale, &mut rng), phi]) {
            prop_assert!(falls(&made[1], 12), "{:?}", made[1]);
        }
    }

    #[test]
    fn the_energy_of_a_hopfield_network_never_rises(
        size in (1..3usize, 1..4usize, 1..4usize, 1..20usize), memories in 1..12usize, rate in 0.05..1.0f32, seed: u64,
    ) {
        let (n, h, w, c) = size;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for retrieval in Retrieval::ALL {
            // By squares the energy has a floor only where memories are short.
            let length = if retrieval == Retrieval::Relu { 0.2 } else { 1.0 };
            let v = random(Shape::new(n, h, w, c), 2.0, &mut rng);
            let known = random(Shape::new(1, 1, memories, c), length, &mut rng);
            let op = Hopfield { retrieval, traced: true, ..Hopfield::new(rate, 12) };
            for made in forms(op, &[v.clone(), known]) {
                prop_assert!(falls(&made[1], 12), "{retrieval:?} {:?}", made[1]);
            }
        }
    }

    #[test]
    fn no_belief_crosses_a_cut_edge(map in maps(), part in 0.0..1.0f32) {
        let cut = (part * map.0.w as f32) as usize;
        for rule in [EQUILIBRIUM, Rule::Response { literal: false }] {
            prop_assert!(crosses(rule, map, cut).iter().all(|crosses| !crosses), "{rule:?}");
        }
    }
}

/// exp(0) = 1: as printed, eq 10 leaks.
#[test]
fn as_printed_beliefs_leak() {
    assert!(
        crosses(Rule::Response { literal: true }, (Shape::new(1, 8, 8, 4), 1.0, 3), 4)
            .iter()
            .all(|leaks| *leaks)
    );
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

/// Without one its gradient is refused, with the reason.
#[test]
fn a_gradient_at_rest_wants_an_equilibrium() {
    let v = Shape::new(1, 4, 4, 3);
    let op = Som { through: Through::Implicit(9), ..Som::new(EQUILIBRIUM, 0.1, 5) };
    let said = op.shapes(&[v, v.with_c(4)]).unwrap_err().to_string();
    assert!(said.contains("anchor") && said.contains("equilibrium"), "{said}");
}

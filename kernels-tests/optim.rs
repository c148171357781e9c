use std::sync::Arc;

use gyre::{
    gpu::{Context, Select},
    graph::{Arenas, Graph, Init, Layout, Plan, Session, Shape, Weights},
    ops::{
        Keep, Reduce,
        check::{Distance, Tolerance},
    },
    optim::{
        Adam, Method, NAdam, OptimSpec, OptimState, Optimizer, Sgd,
        check::{Twin, samples},
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One parameter of each kind of storage, with padding in most; and a buffer that is not trained.
fn graph() -> Graph {
    let mut graph = Graph::new();
    for (name, layout) in [
        ("vector", Layout::Vector(13)),
        ("conv", Layout::Conv { out: 5, sources: vec![3, 6], kernel: [3, 3] }),
        ("linear", Layout::Linear { out: 130, input: 257 }),
        ("tensor", Layout::Tensor(Shape::new(3, 2, 2, 5))),
    ] {
        graph.param(name, layout, Init::Uniform(1.0));
    }
    graph.state("running", Layout::Vector(7), Init::Constant(3.0));
    graph
}

/// Parameters with gradients and an optimiser on them.
struct Bench {
    context: Arc<Context>,
    weights: Arc<Weights>,
    gradients: Arenas,
    optimizer: Optimizer,
}

impl Bench {
    fn new(context: &Arc<Context>, spec: OptimSpec) -> Self {
        let weights = Arc::new(Weights::new(context, &graph(), 11).unwrap());
        let gradients = weights.like_values("gradients").unwrap();
        let optimizer = Optimizer::new(&weights, &gradients, spec).unwrap();
        Self { context: context.clone(), weights, gradients, optimizer }
    }

    fn trained(&self) -> Vec<(String, Vec<f32>)> {
        let all = self.weights.export().unwrap().into_iter().filter(|p| p.0 != "running");
        all.map(|(name, _, data)| (name, data)).collect()
    }

    /// One step with gradients drawn for that step; returns them in the order of the parameters.
    fn step(&mut self, t: u64, lr: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(t);
        let mut all = Vec::new();
        for param in self.weights.params.iter().filter(|p| p.trained) {
            let drawn: Vec<f32> = (0..param.layout.count()).map(|_| rng.random_range(-1.0..1.0)).collect();
            self.weights.write_like(&self.gradients, &param.name, &drawn).unwrap();
            all.extend(drawn);
        }
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        self.optimizer.step(&mut encoder, lr);
        self.context.queue.submit([encoder.finish()]);
        all
    }
}

fn flat(params: &[(String, Vec<f32>)]) -> Vec<f64> {
    params.iter().flat_map(|p| &p.1).map(|v| f64::from(*v)).collect()
}

fn compare(context: &Arc<Context>, spec: OptimSpec) {
    let mut bench = Bench::new(context, spec);
    let mut twin = Twin::default();
    let mut want = flat(&bench.trained());
    for t in 0..6 {
        let lr = 0.01 / (t as f32 + 1.0);
        let gradients = bench.step(t, lr);
        let norm = twin.step(&spec, f64::from(lr), &mut want, &gradients);
        if let Some(got) = bench.optimizer.grad_norm().unwrap() {
            approx::assert_relative_eq!(f64::from(got), norm, max_relative = 1e-5);
        }
    }
    assert_eq!(bench.optimizer.steps(), 6);
    let got = flat(&bench.trained());
    let distance = Distance::between(&got, &want, Tolerance { rtol: 1e-5, atol: 2e-6 });
    assert!(distance.ratio <= 1.0, "{spec:?}: {distance:?}");
    let running = bench.weights.export().unwrap().pop().unwrap().2;
    assert_eq!(running, [3.0; 7]);
}

#[test]
fn methods_follow_their_twins() {
    for spec in samples() {
        for context in [crate::context(), crate::portable()] {
            compare(context, spec);
        }
    }
}

#[test]
fn parameters_may_lie_in_several_buffers() {
    let mut context = Context::portable(&Select::parse(None)).unwrap();
    // Less than two of the parameters take together, so that each gets a buffer.
    context.limits.max_storage_buffer_binding_size = 136_000;
    let context = Arc::new(context);
    for spec in samples().into_iter().filter(|s| s.clip_norm.is_some()) {
        compare(&context, spec);
    }
}

#[test]
fn a_restored_run_is_the_same_to_the_bit() {
    for spec in samples() {
        let context = crate::context();
        let mut whole = Bench::new(context, spec);
        let mut half = Bench::new(context, spec);
        for t in 0..3 {
            whole.step(t, 0.02);
            half.step(t, 0.02);
        }
        let mut rest = Bench::new(context, spec);
        for (name, data) in half.trained() {
            rest.weights.set(&name, &data).unwrap();
        }
        let saved = half.optimizer.state().unwrap();
        rest.optimizer.restore(&saved).unwrap();
        assert_eq!(rest.optimizer.state().unwrap(), saved);
        for t in 3..6 {
            whole.step(t, 0.01);
            rest.step(t, 0.01);
        }
        let bits =
            |b: &Bench| b.trained().into_iter().flat_map(|p| p.1).map(f32::to_bits).collect::<Vec<_>>();
        assert!(bits(&whole) == bits(&rest), "{spec:?}");
        assert!(whole.optimizer.state().unwrap() == rest.optimizer.state().unwrap(), "{spec:?}");
    }
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let bench = |method: Method| Bench::new(crate::context(), method.into());
    let mut nadam = bench(Method::NAdam(NAdam::default()));
    nadam.step(0, 0.1);
    let state = nadam.optimizer.state().unwrap();
    let adam = bench(Method::Adam(Adam::default()));
    let complaint = |b: &mut Bench, s: &OptimState| b.optimizer.restore(s).unwrap_err().to_string();
    assert!(complaint(&mut nadam, &adam.optimizer.state().unwrap()).contains("mu_product"));
    assert!(complaint(&mut bench(Method::Sgd(Sgd::default())), &state).contains("another method"));
    let mut short = state.clone();
    short.tensors[0].1.pop();
    assert!(complaint(&mut nadam, &short).contains("exp_avg.vector"));
    short.tensors.remove(0);
    assert!(complaint(&mut nadam, &short).contains("lacks exp_avg.vector"));
    assert_eq!(nadam.optimizer.state().unwrap(), state);
    let other = Weights::new(crate::context(), &Graph::new(), 0).unwrap().like_values("none").unwrap();
    assert!(Optimizer::new(&nadam.weights, &other, Method::Adam(Adam::default()).into()).is_err());
}

#[test]
fn small_or_absent_gradients_are_left_alone() {
    let spec = OptimSpec { clip_norm: Some(1.0), ..Method::Sgd(Sgd::default()).into() };
    let mut bench = Bench::new(crate::context(), spec);
    let before = bench.trained();
    let mut encoder = bench.context.device.create_command_encoder(&Default::default());
    bench.optimizer.step(&mut encoder, 1.0);
    bench.context.queue.submit([encoder.finish()]);
    assert_eq!(bench.trained(), before);
    assert_eq!(bench.optimizer.grad_norm().unwrap(), Some(0.0));
}

#[test]
fn padding_stays_zero() {
    let shape = Shape::new(3, 2, 2, 5);
    for spec in samples() {
        let mut bench = Bench::new(crate::context(), spec);
        (0..3).for_each(|t| drop(bench.step(t, 0.1)));
        // The sum over channels adds the padding lanes too.
        let mut graph = graph();
        let param = graph.param("tensor", Layout::Tensor(shape), Init::Uniform(1.0));
        let sums = graph.apply(Reduce::sum(Keep::Pixels), &[param]).unwrap();
        graph.output(sums);
        let session = Session::new(Plan::new(&graph, crate::context()).unwrap(), &bench.weights).unwrap();
        session.run();
        let stored = Layout::Tensor(shape).to_storage(&bench.trained().pop().unwrap().1);
        for (got, pixel) in session.read(sums).unwrap().iter().zip(stored.chunks(5)) {
            approx::assert_abs_diff_eq!(*got, pixel.iter().sum::<f32>(), epsilon = 1e-5);
        }
    }
}

//! Comparison of an operator's kernels with its CPU twin, and of its gradient rule with finite differences.
//! The tests and `gyre doctor` use the same.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use half::f16;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::add;
use crate::{
    Error, Result,
    gpu::{Choices, Context},
    graph::{Array, Graph, Init, Layout, Operator, Plan, Precision, Role, Session, Shape, Var, Weights},
};

/// How far a result may be from its reference: `|got - want| <= atol + rtol * |want|`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Tolerance {
    /// Relative to each number.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

/// How far a result was from its reference.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Distance {
    /// Largest difference.
    pub max_abs: f64,
    /// Largest difference over what is allowed; 1 is the limit.
    pub ratio: f64,
}

impl Distance {
    /// Compares number by number; numbers that are not finite, or lists of different length, are infinitely
    /// far.
    pub fn between(got: &[f64], want: &[f64], tolerance: Tolerance) -> Self {
        if got.len() != want.len() {
            return Self { max_abs: f64::INFINITY, ratio: f64::INFINITY };
        }
        let mut distance = Self::default();
        for (g, w) in got.iter().zip(want) {
            let d = (g - w).abs();
            let allowed = tolerance.atol + tolerance.rtol * w.abs();
            let ratio = if d == 0.0 { 0.0 } else { d / allowed };
            let worse = |new: f64, old: f64| if new.is_nan() { f64::INFINITY } else { old.max(new) };
            distance.max_abs = worse(d, distance.max_abs);
            distance.ratio = worse(ratio, distance.ratio);
        }
        distance
    }
}

impl Distance {
    /// The farther of two.
    #[must_use]
    fn or(self, other: Self) -> Self {
        if other.ratio > self.ratio { other } else { self }
    }
}

/// Which forms were used, for messages.
fn told(choices: &Choices) -> String {
    choices.0.iter().map(|(key, form)| format!(", {key} by {form}")).collect()
}

/// An operator with inputs to try it on.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What is special about it.
    pub label: String,
    /// The operator.
    pub op: Arc<dyn Operator>,
    /// Its inputs.
    pub inputs: Vec<Array>,
    /// Inputs that stand for trained parameters when the gradient is checked.
    pub params: Vec<usize>,
    /// Inputs that have no gradient (targets, seeds, running statistics).
    pub constants: Vec<usize>,
    /// The operator has no gradient, or not one that differences of the twin would show.
    forward_only: bool,
    /// Tensors are stored in half.
    half: bool,
    /// Relative tolerance; the absolute one is a fifth of it, or in half all of it, times the largest number.
    pub rtol: f64,
}

/// Relative tolerance of results that pass through half, whose numbers are rounded by up to one part in 2048
/// each time they are stored. A gradient by output (a sigmoid's) sees the rounding of numbers larger than its
/// own, hence the larger absolute tolerance.
const HALF_RTOL: f64 = 2e-3;

/// A graph of one operator with its gradient.
struct GradientGraph {
    graph: Graph,
    /// Inputs of the operator.
    vars: Vec<Var>,
    /// Stands for the gradient of the first output.
    seed: Var,
    /// Gradients of the inputs that are neither parameters nor constants, with their numbers.
    plain: Vec<(usize, Option<Var>)>,
}

impl Sample {
    /// With inputs drawn uniformly from -2..2, a function of the label and shapes alone.
    pub fn new(label: impl Into<String>, op: impl Operator, shapes: &[Shape]) -> Self {
        let label = label.into();
        let seed = label.bytes().fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let inputs = shapes
            .iter()
            .map(|s| Array::from_fn(*s, |_, _, _, _| f64::from(rng.random_range(-2.0f32..2.0))))
            .collect();
        let (params, constants) = (Vec::new(), Vec::new());
        let (forward_only, half) = (false, false);
        Self { label, op: Arc::new(op), inputs, params, constants, forward_only, half, rtol: 1e-4 }
    }

    /// Marks inputs as parameters.
    #[must_use]
    pub fn params(mut self, params: &[usize]) -> Self {
        self.params = params.to_vec();
        self
    }

    /// Marks inputs as having no gradient.
    #[must_use]
    pub fn constants(mut self, constants: &[usize]) -> Self {
        self.constants = constants.to_vec();
        self
    }

    /// True where the gradient is worth checking too.
    pub fn has_gradient(&self) -> bool {
        !self.forward_only
    }

    /// Marks the outputs alone as worth checking.
    #[must_use]
    pub fn forward_only(mut self) -> Self {
        self.forward_only = true;
        self
    }

    /// Sets the rows of a dense weight that pad the input channels of each source to zero, as the importer
    /// leaves them.
    #[must_use]
    pub fn clear_padding_rows(mut self, weight: usize, sources: &[usize]) -> Self {
        let real: Vec<bool> =
            sources.iter().flat_map(|c| (0..c.next_multiple_of(4)).map(move |i| i < *c)).collect();
        let w = &mut self.inputs[weight];
        let (rows, cols) = (w.shape.w, w.shape.c);
        for (i, v) in w.data.iter_mut().enumerate() {
            if !real.get(i / cols % rows).copied().unwrap_or(true) {
                *v = 0.0;
            }
        }
        self
    }

    /// Changes one input.
    #[must_use]
    pub fn with(mut self, input: usize, f: impl Fn(f64) -> f64) -> Self {
        // Inputs must be exact in f32, or the device would see others than the twin.
        self.inputs[input] = self.inputs[input].map(|v| f64::from(f(v) as f32));
        self
    }

    /// The same with all tensors in half that mixed precision may store so, within 2e-3. Inputs are rounded to
    /// numbers that half can hold.
    #[must_use]
    pub fn halved(&self) -> Self {
        let mut all = Self { half: true, rtol: self.rtol.max(HALF_RTOL), ..self.clone() };
        for i in self.plain() {
            keep_apart(&mut all.inputs[i].data);
        }
        all
    }

    /// Inputs that are neither parameters nor constants nor changed in place.
    fn plain(&self) -> Vec<usize> {
        let kept = [self.params.clone(), self.constants.clone(), self.op.updates()].concat();
        (0..self.inputs.len()).filter(|i| !kept.contains(i)).collect()
    }

    /// Changes the relative tolerance.
    #[must_use]
    pub fn rtol(mut self, rtol: f64) -> Self {
        self.rtol = rtol;
        self
    }

    fn tolerance(&self, want: &[f64]) -> Tolerance {
        let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let part = if self.half { 1.0 } else { 0.2 };
        Tolerance { rtol: self.rtol, atol: (part * self.rtol * largest).max(1e-7) }
    }

    /// [`Self::check_forward`], and [`Self::check_gradient`] unless marked as forward only; returns the worse.
    ///
    /// # Errors
    /// As those.
    pub fn check(&self, context: &Arc<Context>) -> Result<Distance> {
        let forward = self.check_forward(context)?;
        if !self.has_gradient() {
            return Ok(forward);
        }
        Ok(forward.or(self.check_gradient(context)?))
    }

    /// The graphs that [`Self::check`] runs: the operator alone, and with its gradient where that is checked.
    ///
    /// # Errors
    /// What building them raises.
    pub fn graphs(&self) -> Result<Vec<Graph>> {
        let mut graphs = vec![self.forward_graph()?.0];
        if self.has_gradient() {
            graphs.push(self.gradient_graph()?.graph);
        }
        Ok(graphs)
    }

    /// Names of the shader files that [`Self::check`] runs.
    ///
    /// # Errors
    /// What building or lowering the graphs raises.
    pub fn shaders(&self, context: &Context) -> Result<BTreeSet<&'static str>> {
        let mut files = BTreeSet::new();
        for graph in self.graphs()? {
            for choices in graph.all_choices(&context.capabilities()) {
                let plan = Plan::with(&graph, context, &choices)?;
                files.extend(plan.passes.iter().map(|p| p.dispatch.variant.file));
            }
        }
        Ok(files)
    }

    /// The graph of the operator alone, its inputs, and what it makes or changes.
    fn forward_graph(&self) -> Result<(Graph, Vec<Var>, Vec<Var>)> {
        let mut graph = Graph::new();
        let vars: Vec<Var> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(i, a)| graph.input(&format!("input {i}"), a.shape))
            .collect();
        for i in self.op.packed_inputs() {
            graph.vars[vars[i].0].precision = Precision::I8;
        }
        let mut results = graph.push(self.op.clone(), &vars)?;
        if self.half {
            let inputs: Vec<Var> = self.plain().iter().map(|i| vars[*i]).collect();
            graph.halve(&[&inputs[..], &results[..]].concat());
        }
        results.extend(self.op.updates().iter().map(|i| vars[*i]));
        results.iter().for_each(|v| graph.output(*v));
        Ok((graph, vars, results))
    }

    /// Runs the kernels on poisoned memory and compares all outputs and updated inputs with the twin.
    ///
    /// # Errors
    /// [`Error::Check`] with the worst tensor if one is too far; whatever the device raises.
    pub fn check_forward(&self, context: &Arc<Context>) -> Result<Distance> {
        let (graph, vars, results) = self.forward_graph()?;
        let wanted = self.op.twin(&self.inputs);
        let mut worst = Distance::default();
        for choices in graph.all_choices(&context.capabilities()) {
            let session = self.session(context, &graph, &vars, &choices)?;
            session.run();
            for (i, (var, want)) in results.iter().zip(&wanted).enumerate() {
                let what = format!("output {i}{}", told(&choices));
                worst = worst.or(self.compare(&session, *var, &want.data, &what)?);
            }
            context.check()?;
        }
        Ok(worst)
    }

    fn compare(&self, session: &Session, var: Var, want: &[f64], what: &str) -> Result<Distance> {
        let got: Vec<f64> = session.read(var)?.into_iter().map(f64::from).collect();
        self.check_padding(session, var, what)?;
        self.judge(&got, want, what)
    }

    /// Lanes past the last channel must hold zero: later kernels count on it.
    fn check_padding(&self, session: &Session, var: Var, what: &str) -> Result<()> {
        let (shape, stored) = (session.shape(var), session.read_padded(var)?);
        let lanes = stored.chunks_exact(4 * shape.c4()).flat_map(|pixel| &pixel[shape.c..]);
        match lanes.copied().find(|v| *v != 0.0) {
            Some(v) => Err(Error::Check(format!(
                "{} ({}), {what}: the padding holds {v} where it must hold zero",
                self.op.name(),
                self.label
            ))),
            None => Ok(()),
        }
    }

    fn judge(&self, got: &[f64], want: &[f64], what: &str) -> Result<Distance> {
        let distance = Distance::between(got, want, self.tolerance(want));
        if distance.ratio > 1.0 {
            let worst = |(g, w): (&f64, &f64)| (g - w).is_nan() || (g - w).abs() >= distance.max_abs;
            let at = got.iter().zip(want).position(worst).unwrap_or(0);
            return Err(Error::Check(format!(
                "{} ({}), {what}: number {at} is {:?}, should be {:?}; {:.3} times the tolerance",
                self.op.name(),
                self.label,
                got.get(at),
                want.get(at),
                distance.ratio
            )));
        }
        Ok(distance)
    }

    fn session(
        &self,
        context: &Arc<Context>,
        graph: &Graph,
        vars: &[Var],
        choices: &Choices,
    ) -> Result<Session> {
        let plan = Plan::with(graph, context, choices)?;
        let weights = Arc::new(Weights::new(context, graph, 0)?);
        let session = Session::new(plan, &weights)?;
        session.poison()?;
        for (var, array) in vars.iter().zip(&self.inputs) {
            let data: Vec<f32> = array.data.iter().map(|v| *v as f32).collect();
            match graph.vars[var.0].role {
                Role::Input => session.write(*var, &data)?,
                _ => weights.set(&graph.vars[var.0].name, &to_nchw(array.shape, &data))?,
            }
        }
        Ok(session)
    }

    fn gradient_graph(&self) -> Result<GradientGraph> {
        let mut graph = Graph::new();
        let var = |graph: &mut Graph, i: usize| {
            let shape = self.inputs[i].shape;
            if self.params.contains(&i) {
                return graph.param(&format!("p{i}"), Layout::Tensor(shape), Init::Constant(0.0));
            }
            graph.input(&format!("input {i}"), shape)
        };
        let vars: Vec<Var> = (0..self.inputs.len()).map(|i| var(&mut graph, i)).collect();
        let outputs = graph.push(self.op.clone(), &vars)?;
        let plain = self.plain();
        let Some(&y) = outputs.first() else {
            return Err(Error::shape(self.op.name(), "has no output to differentiate"));
        };
        let seed = graph.input("seed", graph.shape(y));
        let wrt: Vec<Var> = plain.iter().map(|i| vars[*i]).collect();
        let grads = graph.backward(y, seed, &wrt, add)?;
        if self.half {
            graph.mixed();
            graph.halve(&[&wrt[..], &[seed]].concat());
        }
        grads.iter().flatten().for_each(|v| graph.output(*v));
        Ok(GradientGraph { graph, vars, seed, plain: plain.into_iter().zip(grads).collect() })
    }

    /// Compares the gradient, as built and run on the device, with central differences of the twin.
    ///
    /// # Errors
    /// As [`Self::check_forward`].
    pub fn check_gradient(&self, context: &Arc<Context>) -> Result<Distance> {
        let GradientGraph { graph, vars, seed, plain } = self.gradient_graph()?;
        let cotangent = Array::from_fn(graph.shape(seed), |n, y, x, c| {
            let v = ((n * 7 + y * 5 + x * 3 + c * 11) % 13) as f64 / 6.5 - 0.9;
            if self.half { rounded(v) } else { v }
        });
        let seed_data: Vec<f32> = cotangent.data.iter().map(|v| *v as f32).collect();
        let params = self.params.iter().map(|i| (*i, None));
        let wanted: Vec<_> =
            params.chain(plain).map(|(i, var)| (i, var, self.difference_quotients(i, &cotangent))).collect();
        let mut worst = Distance::default();
        for choices in graph.all_choices(&context.capabilities()) {
            let session = self.session(context, &graph, &vars, &choices)?;
            session.write(seed, &seed_data)?;
            session.run();
            for (i, var, want) in &wanted {
                let what = format!("gradient of input {i}{}", told(&choices));
                worst = worst.or(self.compare_gradient(&session, *i, *var, want, &what)?);
            }
        }
        Ok(worst)
    }

    fn compare_gradient(
        &self,
        session: &Session,
        i: usize,
        var: Option<Var>,
        want: &[f64],
        what: &str,
    ) -> Result<Distance> {
        if self.params.contains(&i) {
            let gradients = session.gradients().ok_or_else(|| Error::Check("no gradients".into()))?;
            let nchw = session.read_gradient(gradients, &format!("p{i}"))?;
            return self.judge(&from_nchw(self.inputs[i].shape, &nchw), want, what);
        }
        let var = var.ok_or_else(|| Error::Check(format!("{what} was not built")))?;
        self.compare(session, var, want, what)
    }

    /// Central differences of `sum(output 0 * cotangent)` by input `i`.
    fn difference_quotients(&self, i: usize, cotangent: &Array) -> Vec<f64> {
        let step = 1e-6;
        let mut inputs = self.inputs.clone();
        let value = |at: usize, v: f64, inputs: &mut Vec<Array>| {
            inputs[i].data[at] = v;
            let y = self.op.twin(inputs).swap_remove(0);
            y.data.iter().zip(&cotangent.data).map(|(a, b)| a * b).sum::<f64>()
        };
        (0..self.inputs[i].data.len())
            .map(|at| {
                let v = self.inputs[i].data[at];
                let (up, down) = (value(at, v + step, &mut inputs), value(at, v - step, &mut inputs));
                inputs[i].data[at] = v;
                (up - down) / (2.0 * step)
            })
            .collect()
    }
}

/// The nearest number that half can hold.
fn rounded(v: f64) -> f64 {
    f16::from_f64(v).to_f64()
}

/// Rounds to numbers that half can hold, such that different ones stay different while there are enough close
/// by: a maximum of two equal numbers has no differences to compare with.
fn keep_apart(data: &mut [f64]) {
    let mut taken: HashMap<u16, f64> = HashMap::new();
    for v in data {
        let nearest = f16::from_f64(*v).to_bits();
        let free = |bits: &u16| taken.get(bits).is_none_or(|other| other == v);
        let bits = (nearest..nearest.saturating_add(16)).find(free).unwrap_or(nearest);
        taken.insert(bits, *v);
        *v = f16::from_bits(bits).to_f64();
    }
}

/// Whether what half cannot hold becomes infinite where it is stored, as loss scaling counts on to see an
/// overflow; a driver that rounds towards zero would store the largest number instead.
///
/// # Errors
/// [`Error::Check`] if it does not; whatever the device raises.
pub fn check_overflow(context: &Arc<Context>) -> Result<()> {
    let mut graph = Graph::new();
    let x = graph.input("x", Shape::new(1, 1, 2, 4));
    let y = add(&mut graph, x, x)?;
    graph.halve(&[x, y]);
    graph.output(y);
    let session = Session::new(Plan::new(&graph, context)?, &Arc::new(Weights::new(context, &graph, 0)?))?;
    session.write(x, &[60_000.0, -60_000.0, 40_000.0, -33_000.0, 32_000.0, 1.0, 0.0, -7.0])?;
    session.run();
    let (inf, got) = (f32::INFINITY, session.read(y)?);
    if got != [inf, -inf, inf, -inf, 64_000.0, 2.0, 0.0, -14.0] {
        return Err(Error::Check(format!("numbers beyond the range of half are stored as {got:?}")));
    }
    Ok(())
}

/// From NHWC to the order of files.
fn to_nchw(shape: Shape, data: &[f32]) -> Vec<f32> {
    Layout::Tensor(shape).from_storage(data)
}

fn from_nchw(shape: Shape, data: &[f32]) -> Vec<f64> {
    Layout::Tensor(shape).to_storage(data).into_iter().map(f64::from).collect()
}

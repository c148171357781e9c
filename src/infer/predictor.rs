//! A model in evaluation on the device.

use std::{collections::BTreeMap, sync::Arc};

use super::Quantization;
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Plan, Session, Shape, Var, Weights},
    models::{Descent, Model, probabilities},
    ops::{ConfusionCounts, Keep, Reduce},
};

/// Plans that are kept; the oldest of more goes.
const PLANS: usize = 4;

/// A model that turns batches of pictures into probabilities. Plans are made when a batch size is first met.
pub struct Predictor {
    context: Arc<Context>,
    model: Model,
    weights: Arc<Weights>,
    size: [usize; 2],
    mixed: bool,
    quantized: Option<Arc<Quantization>>,
    sessions: BTreeMap<(usize, Answer), Ready>,
}

/// What a plan gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Probabilities,
    /// Counts at the threshold of these bits.
    Counts(u32),
}

struct Ready {
    session: Session,
    x: Var,
    truth: Option<Var>,
    /// See [`descents`].
    descents: Vec<Var>,
    y: Var,
}

/// The graph of a model in evaluation: returns it with the picture and the probabilities.
///
/// # Errors
/// [`crate::Error::Shape`] if the pictures do not fit the model.
pub fn graph(model: &Model, x: Shape) -> Result<(Graph, Var, Var)> {
    let (graph, x, y, _) = graph_with_descent(model, x)?;
    Ok((graph, x, y))
}

fn graph_with_descent(model: &Model, x: Shape) -> Result<(Graph, Var, Var, Vec<Var>)> {
    let mut graph = Graph::new();
    let x = graph.input("picture", x);
    let logits = model.build(&mut graph, x, false)?;
    let y = probabilities(&mut graph, logits)?;
    graph.output(y);
    let last: Vec<Var> = Descent::last(&graph).into_iter().collect();
    let descents = descents(&mut graph, &last)?;
    graph.fuse();
    Ok((graph, x, y, descents))
}

/// The sums of the squares of what descended, as outputs: no numbers where a descent drove it out of all bounds. Softmax,
/// sigmoid and rectifiers make numbers even of what is none.
pub(super) fn descents(graph: &mut Graph, states: &[Var]) -> Result<Vec<Var>> {
    let one = |state: &Var| {
        let sum = graph.apply(Reduce::sum_of_product(Keep::Nothing), &[*state, *state])?;
        graph.output(sum);
        Ok(sum)
    };
    states.iter().map(one).collect()
}

/// # Errors
/// [`Error::Diverged`] if one of the sums is no finite number.
pub(super) fn check_descents(session: &Session, sums: &[Var]) -> Result<()> {
    for var in sums {
        if !session.read(*var)?.iter().all(|sum| sum.is_finite()) {
            return Err(Error::Diverged(
                "the descent drives beliefs out of all bounds (the sum of their squares is no finite number); take fewer \
                 descent.steps, a smaller descent.step_size, or for crf descent.normalise = true"
                    .into(),
            ));
        }
    }
    Ok(())
}

impl Predictor {
    /// A predictor for pictures of `size` (height, width), on weights that may go on being trained.
    pub fn new(model: &Model, weights: &Arc<Weights>, size: [usize; 2]) -> Self {
        let context = weights.context.clone();
        let (model, weights, sessions) = (model.clone(), weights.clone(), BTreeMap::new());
        Self { context, model, weights, size, mixed: false, quantized: None, sessions }
    }

    /// Whether activations are stored in half; those of a new predictor are not.
    #[must_use]
    pub fn mixed(self, mixed: bool) -> Self {
        Self { mixed, sessions: BTreeMap::new(), ..self }
    }

    /// With convolutions in integers; the weights are those of [`Quantization::apply`]'s graph.
    #[must_use]
    pub fn quantized(self, quantization: Quantization) -> Self {
        Self { quantized: Some(Arc::new(quantization)), sessions: BTreeMap::new(), ..self }
    }

    /// Whether some of its convolutions are in integers.
    pub fn is_quantized(&self) -> bool {
        self.quantized.is_some()
    }

    /// The weights that it predicts with.
    pub fn weights(&self) -> &Arc<Weights> {
        &self.weights
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Height and width of the pictures it takes.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    fn ready(&mut self, n: usize, answer: Answer) -> Result<&Ready> {
        if !self.sessions.contains_key(&(n, answer)) {
            while self.sessions.len() >= PLANS {
                self.sessions.pop_first();
            }
            let shape = Shape::new(n, self.size[0], self.size[1], self.model.in_channels);
            let (mut graph, x, mut y, descents) = graph_with_descent(&self.model, shape)?;
            let mut truth = None;
            if let Answer::Counts(threshold) = answer {
                let given = graph.input("truth", shape.with_c(1));
                y = graph.apply(ConfusionCounts { threshold: f32::from_bits(threshold) }, &[y, given])?;
                graph.output(y);
                truth = Some(given);
            }
            match &self.quantized {
                Some(quantization) => graph = quantization.apply(&graph)?,
                None => graph.shorten(&self.context.capabilities()),
            }
            if self.mixed {
                graph.mixed();
            }
            let session = Session::sharing(Plan::new(&graph, &self.context)?, &self.weights, None)?;
            self.sessions.insert((n, answer), Ready { session, x, truth, descents, y });
        }
        Ok(&self.sessions[&(n, answer)])
    }

    /// Probabilities of `n` pictures (NHWC, values as in training): `[n, h, w, classes]`, one channel for a
    /// binary model.
    ///
    /// # Errors
    /// What the device raises; [`crate::Error::Shape`] if the count of numbers is wrong; [`Error::Diverged`] if a descent
    /// drives beliefs out of all bounds.
    pub fn predict(&mut self, pictures: &[f32], n: usize) -> Result<Vec<f32>> {
        let ready = self.ready(n, Answer::Probabilities)?;
        ready.session.write(ready.x, pictures)?;
        ready.session.run();
        check_descents(&ready.session, &ready.descents)?;
        ready.session.read(ready.y)
    }

    /// Of each of `n` pictures, how many pixels of each class of the `truth` (`[n, h, w]`) are predicted as each class:
    /// `[n, classes, classes]`, rows of truth. The counts alone come back from the device.
    ///
    /// # Errors
    /// As [`Self::predict`]; [`crate::Error::Shape`] for more than 32 classes.
    pub fn counts(&mut self, pictures: &[f32], truth: &[u8], n: usize, threshold: f32) -> Result<Vec<u64>> {
        let ready = self.ready(n, Answer::Counts(threshold.to_bits()))?;
        ready.session.write(ready.x, pictures)?;
        if let Some(var) = ready.truth {
            ready.session.write(var, &truth.iter().map(|class| f32::from(*class)).collect::<Vec<_>>())?;
        }
        ready.session.run();
        check_descents(&ready.session, &ready.descents)?;
        Ok(ready.session.read(ready.y)?.into_iter().map(|count| count as u64).collect())
    }
}

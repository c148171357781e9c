//! Training steps on the device.

use std::{collections::BTreeMap, f32::consts::PI, sync::Arc};

use super::{Objective, loss_log::LossLog};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Arenas, Graph, Plan, Session, Shape, Var, Weights},
    models::Model,
    nn::STEP_WORDS,
    ops::{Binary, BinaryKind, Blur, Median, Noise, WORDS, Warp, add},
    optim::{OptimSpec, OptimState, Optimizer, Scaling, ScalingState},
};

/// A training graph with the tensors that the host touches.
pub struct TrainingGraph {
    /// Forward, loss and backward.
    pub graph: Graph,
    /// Pictures `[N, H, W, C]`.
    pub x: Var,
    /// Targets `[N, H, W, classes]`.
    pub y: Var,
    /// Gradient of the total by this loss: 1, or the share of a micro-batch.
    pub seed: Var,
    /// In mixed precision, what gradients are to come multiplied by: one number.
    pub scale: Option<Var>,
    /// The loss, one number, without the scale.
    pub loss: Var,
    /// Where pictures are changed first, how.
    pub changes: Option<ChangeVars>,
    /// Where the network itself drops at random, the raw words that it is a function of.
    pub words: Option<Var>,
}

/// Tensors of augmentation.
#[derive(Clone, Copy, Debug)]
pub struct ChangeVars {
    /// [`Changes::moves`].
    pub moves: Var,
    /// [`Changes::words`].
    pub words: Var,
    /// [`Changes::blurs`], where pictures are blurred.
    pub blurs: Option<Var>,
    /// [`Changes::medians`], where pictures are filtered.
    pub medians: Option<Var>,
    /// Changed pictures and targets.
    pub made: (Var, Var),
}

/// What augmentation has passes of their own for, beside the gather.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// How smooth the field is: the deviation of the Gaussian that blurs it, pixels. None: nothing is bent.
    pub bend: Option<f32>,
    /// The largest deviation of a Gaussian that blurs pictures, pixels. None: none is blurred.
    pub blur: Option<f32>,
    /// Whether some pictures go through a median filter.
    pub median: bool,
}

/// How the pictures of a step are changed before the network sees them.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Of each picture three rows of a matrix, and what happens to its values: see [`Warp`].
    pub moves: Vec<f32>,
    /// Of each picture the deviation of the Gaussian that blurs it, pixels.
    pub blurs: Vec<f32>,
    /// Of each picture 1 if it goes through a median filter, else 0.
    pub medians: Vec<f32>,
    /// What random numbers on the device are a function of.
    pub words: [u32; 4],
}

/// How a training step is made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StepOptions {
    /// Activations and their gradients are stored in half, and gradients come multiplied by a scale.
    pub mixed: bool,
    /// Activations that are cheap to make are made again in the backward pass instead of kept.
    pub recompute: bool,
    /// Pictures are changed at random first.
    pub augment: Option<Augmentation>,
}

/// Builds forward, loss and backward of `model` for pictures of shape `x`, which are to meet `objective`.
///
/// # Errors
/// [`Error::Shape`] if the pictures do not fit the model.
pub fn training_graph(
    model: &Model,
    objective: &dyn Objective,
    x: Shape,
    how: StepOptions,
) -> Result<TrainingGraph> {
    let mut graph = Graph::new();
    let input = graph.input("picture", x);
    let y = graph.input("target", x.with_c(objective.target_channels(model)));
    let seed = graph.input("loss weight", Shape::SCALAR);
    let changes = how.augment.map(|how| augmentation_graph(&mut graph, how, input, y)).transpose()?;
    let (seen, target) = changes.as_ref().map_or((input, y), |c| c.made);
    let looks = objective.looks(&mut graph, model, seen, true)?;
    let words = graph.input_named(STEP_WORDS);
    graph.fuse();
    let loss = objective.loss(&mut graph, &looks, seen, target)?;
    graph.output(loss);
    let scale = how.mixed.then(|| graph.input("loss scale", Shape::SCALAR));
    let scaled = match scale {
        Some(scale) => graph.apply(Binary::new(BinaryKind::Mul), &[seed, scale])?,
        None => seed,
    };
    let forward = graph.nodes.len();
    graph.backward(loss, scaled, &[], add)?;
    graph.fuse_from(forward);
    if how.mixed {
        graph.mixed();
    }
    if how.recompute {
        graph.recompute(forward)?;
    }
    Ok(TrainingGraph { graph, x: input, y, seed, scale, loss, changes, words })
}

/// Adds what changes pictures `x` and their targets `y` at random.
///
/// # Errors
/// [`Error::Shape`] if the two differ in size.
pub fn augmentation_graph(graph: &mut Graph, how: Augmentation, x: Var, y: Var) -> Result<ChangeVars> {
    let shape = graph.shape(x);
    let moves = graph.input("moves", Shape::new(shape.n, 1, 4, 4));
    let words = graph.input("words", WORDS);
    let each = Shape::new(shape.n, 1, 1, 1);
    let medians = how.median.then(|| graph.input("medians", each));
    let blurs = how.blur.map(|_| graph.input("blurs", each));
    let mut soft = x;
    if let Some(medians) = medians {
        soft = graph.apply(Median { size: 3, each: true }, &[soft, medians])?;
    }
    if let (Some(blurs), Some(sigma)) = (blurs, how.blur) {
        for across in [true, false] {
            soft = graph.apply(Blur { sigma, across, scale: 1.0, each: true }, &[soft, blurs])?;
        }
    }
    let mut inputs = vec![soft, y, moves, words];
    if let Some(sigma) = how.bend {
        // What blurring leaves of the deviation of uniform noise, 1 / sqrt(3), is divided out again.
        let scale = (2.0 * (3.0 * PI).sqrt() * sigma).sqrt();
        let noise = graph.apply(Noise { shape: shape.with_c(2), salt: 1 }, &[words])?;
        let once = graph.apply(Blur { sigma, across: true, scale, each: false }, &[noise])?;
        inputs.push(graph.apply(Blur { sigma, across: false, scale, each: false }, &[once])?);
    }
    let made = graph.apply_all(Warp { bent: how.bend.is_some(), salt: 2 }, &inputs)?;
    Ok(ChangeVars { moves, words, blurs, medians, made: (made[0], made[1]) })
}

/// One plan of a training step.
struct Step {
    session: Session,
    x: Var,
    y: Var,
    seed: Var,
    scale: Option<Var>,
    loss: Var,
    changes: Option<ChangeVars>,
    words: Option<Var>,
}

/// Trains a model: forward, loss, backward and the optimiser's update, batch after batch; in mixed precision
/// where the optimiser has loss scaling.
pub struct Trainer {
    context: Arc<Context>,
    weights: Arc<Weights>,
    model: Model,
    objective: Arc<dyn Objective>,
    size: [usize; 2],
    micro_batches: usize,
    seed: u64,
    recompute: bool,
    augment: Option<Augmentation>,
    steps: BTreeMap<usize, Step>,
    gradients: Arenas,
    optimizer: Optimizer,
    log: LossLog,
}

impl Trainer {
    /// Draws the weights from `seed` and prepares nothing else; plans are made when a batch size is first met.
    /// `size` is height and width of the pictures.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the device has no room, [`Error::Shape`] if the size does not fit the model.
    pub fn new(
        context: &Arc<Context>,
        model: &Model,
        objective: &(impl Objective + Clone + 'static),
        optim: &OptimSpec,
        size: [usize; 2],
        micro_batches: usize,
        seed: u64,
    ) -> Result<Self> {
        let shape = Shape::new(1, size[0], size[1], model.in_channels);
        let mut graph = Graph::new();
        let x = graph.input("picture", shape);
        // As in evaluation: one small picture may have no statistics to train on, and the weights are the same.
        model.build(&mut graph, x, false)?;
        let weights = Arc::new(Weights::new(context, &graph, seed)?);
        let gradients = weights.like_values("gradients")?;
        let optimizer = Optimizer::new(&weights, &gradients, *optim)?;
        Ok(Self {
            log: LossLog::new(context)?,
            context: context.clone(),
            model: model.clone(),
            objective: Arc::new(objective.clone()),
            size,
            micro_batches: micro_batches.max(1),
            seed,
            recompute: false,
            augment: None,
            steps: BTreeMap::new(),
            weights,
            gradients,
            optimizer,
        })
    }

    /// Makes cheap activations again in the backward pass instead of keeping them.
    #[must_use]
    pub fn recomputing(self, recompute: bool) -> Self {
        Self { recompute, ..self }
    }

    /// Changes pictures at random first, as [`Self::step_changed`] is told.
    #[must_use]
    pub fn augmenting(self, augment: Option<Augmentation>) -> Self {
        Self { augment, ..self }
    }

    /// The weights, for prediction and checkpoints.
    pub fn weights(&self) -> &Arc<Weights> {
        &self.weights
    }

    /// Moments and counters of the optimiser.
    ///
    /// # Errors
    /// What the device raises.
    pub fn optim_state(&self) -> Result<OptimState> {
        self.optimizer.state()
    }

    /// Restores what [`Self::optim_state`] gave.
    ///
    /// # Errors
    /// [`Error::Check`] if it belongs to another model or optimiser.
    pub fn restore_optim(&mut self, state: &OptimState) -> Result<()> {
        self.optimizer.restore(state)
    }

    fn prepare(&mut self, n: usize) -> Result<()> {
        if self.steps.contains_key(&n) {
            return Ok(());
        }
        let shape = Shape::new(n, self.size[0], self.size[1], self.model.in_channels);
        let mixed = self.optimizer.spec().scaling.is_some();
        let how = StepOptions { mixed, recompute: self.recompute, augment: self.augment };
        let TrainingGraph { graph, x, y, seed, scale, loss, changes, words } =
            training_graph(&self.model, &*self.objective, shape, how)?;
        let plan = Plan::new(&graph, &self.context)?;
        let session = Session::sharing(plan, &self.weights, Some(self.gradients.clone()))?;
        self.steps.insert(n, Step { session, x, y, seed, scale, loss, changes, words });
        Ok(())
    }

    /// Makes the plans for batches of `n` pictures: that of a micro-batch, and that of what is left over.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn reserve(&mut self, n: usize) -> Result<()> {
        let part = n.div_ceil(self.micro_batches).max(1);
        [part, n % part].into_iter().filter(|count| *count > 0).try_for_each(|count| self.prepare(count))
    }

    /// The plan for batches of `n` pictures.
    ///
    /// # Errors
    /// As [`Session::new`].
    pub fn session(&mut self, n: usize) -> Result<&Session> {
        self.prepare(n)?;
        Ok(&self.steps[&n].session)
    }

    /// One optimiser step on `n` pictures `x` (NHWC) with classes `y` (NHW); submits and does not wait.
    ///
    /// # Errors
    /// [`Error::Shape`] for wrong counts, and what the device raises.
    pub fn step(&mut self, x: &[f32], y: &[u8], n: usize, lr: f32) -> Result<()> {
        let still = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let (blurs, medians) = (vec![0.0; n], vec![0.0; n]);
        self.step_changed(x, y, n, lr, &Changes { moves: still.repeat(n), blurs, medians, words: [0; 4] })
    }

    /// As [`Self::step`], with each picture changed first where the trainer augments.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn step_changed(&mut self, x: &[f32], y: &[u8], n: usize, lr: f32, changes: &Changes) -> Result<()> {
        let given = [changes.moves.len(), changes.blurs.len(), changes.medians.len()];
        if given != [16 * n, n, n] {
            let message = format!("wants 16, 1 and 1 numbers for each of {n} pictures, got {given:?}");
            return Err(Error::shape("changes", message));
        }
        let part = n.div_ceil(self.micro_batches);
        let (of_x, of_y) = (x.len() / n.max(1), y.len() / n.max(1));
        let starts: Vec<usize> = (0..n).step_by(part.max(1)).collect();
        for &start in &starts {
            let count = part.min(n - start);
            self.prepare(count)?;
            let step = &self.steps[&count];
            let share = count as f32 / n as f32;
            step.session.write(step.x, &x[start * of_x..(start + count) * of_x])?;
            let channels = self.objective.target_channels(&self.model);
            let target = self.objective.targets(&y[start * of_y..(start + count) * of_y], channels);
            step.session.write(step.y, &target)?;
            step.session.write(step.seed, &[share])?;
            if let Some(words) = step.words {
                step.session.write_words(words, &self.words(start))?;
            }
            if let Some(vars) = step.changes {
                let [a, b, c, d] = changes.words;
                // Parts of a batch draw other numbers.
                step.session.write_words(vars.words, &[a, b, c, d ^ ((start as u32) << 16)])?;
                step.session.write(vars.moves, &changes.moves[16 * start..16 * (start + count)])?;
                for (var, numbers) in [(vars.blurs, &changes.blurs), (vars.medians, &changes.medians)] {
                    var.map_or(Ok(()), |var| step.session.write(var, &numbers[start..start + count]))?;
                }
            }
            let loss = step.session.buffer(step.loss)?;
            let scale = step.scale.map(|v| step.session.buffer(v)).transpose()?;
            let scale = self.optimizer.scale_buffer().cloned().zip(scale);
            let last = start + count == n;
            let (log, optimizer) = (&mut self.log, &mut self.optimizer);
            let begin = |encoder: &mut wgpu::CommandEncoder| {
                if start == 0 {
                    step.session.clear_gradients(encoder);
                }
                if let Some((from, to)) = scale {
                    encoder.copy_buffer_to_buffer(&from, 0, to.buffer, to.offset, 4);
                }
            };
            step.session.submit(begin, |encoder| {
                log.record(encoder, loss.buffer, loss.offset, share, last);
                if last {
                    optimizer.step(encoder, lr);
                }
            });
        }
        self.context.check()
    }

    /// What the network's own random numbers of the next step are a function of, for the part of a batch that begins
    /// with picture `start`: the seed, the step, and the part. Augmentation draws from words that end otherwise.
    fn words(&self, start: usize) -> [u32; 4] {
        const NETWORK: u32 = 0x6e65_7400;
        let step = self.optimizer.steps();
        [self.seed as u32, (self.seed >> 32) as u32, step as u32, NETWORK ^ ((start as u32) << 16)]
    }

    /// Losses of the steps since the last call, oldest first; waits for them.
    ///
    /// # Errors
    /// [`Error::Diverged`] if one is not finite, or if no scale is small enough for the gradients; what the
    /// device raises.
    pub fn losses(&mut self) -> Result<Vec<f32>> {
        let losses = self.log.drain(&self.context)?;
        let scaling = self.scaling()?;
        if let Some(i) = losses.iter().position(|l| !l.is_finite()) {
            let half = if scaling.is_some() { ", or f32 instead of mixed precision" } else { "" };
            return Err(Error::Diverged(format!(
                "the loss became {} {} steps ago; try a smaller learning rate or gradient clipping{half}",
                losses[i],
                losses.len() - i
            )));
        }
        match scaling {
            Some(ScalingState { scale, skipped }) if scale <= Scaling::LEAST => {
                Err(Error::Diverged(format!(
                    "gradients are not finite even where the loss is scaled by {scale}, {skipped} steps were skipped; \
                 try f32 instead of mixed precision"
                )))
            }
            _ => Ok(losses),
        }
    }

    /// How loss scaling stands; none in f32. Waits for the device.
    ///
    /// # Errors
    /// What the device raises.
    pub fn scaling(&self) -> Result<Option<ScalingState>> {
        self.optimizer.scaling()
    }

    /// Steps whose losses have not been asked for; at most 1024 micro-batches can wait.
    pub fn pending(&self) -> usize {
        self.log.pending()
    }
}

/// Classes as the loss wants them: one channel of 0 and 1 for a binary model, else one a class.
pub fn one_hot(classes: &[u8], channels: usize) -> Vec<f32> {
    if channels == 1 {
        return classes.iter().map(|c| f32::from(u8::from(*c > 0))).collect();
    }
    classes
        .iter()
        .flat_map(|c| (0..channels).map(move |k| f32::from(u8::from(usize::from(*c) == k))))
        .collect()
}

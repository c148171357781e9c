//! A descent followed step by step, with the states that a prediction passes over.

use std::sync::Arc;

use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Plan, Session, Shape, Var, Weights},
    io::weights::TensorMap,
    models::{Descent, Step},
    nn::Net,
};

/// The one parameter that stands for something before it is learnt: each label agrees with itself.
const COMPATIBILITY: &str = "descent.compatibility";
/// Energies nearer to 0 than this are as good as none, as for pictures that stop one by one.
const TINY: f32 = 1e-12;

/// One step of a descent on the device, taken as often as wanted.
pub struct Follower {
    descent: Descent,
    session: Session,
    picture: Var,
    start: Var,
    state: Var,
    step: Step,
}

/// What was met on the way down.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Each energy's name with its values, the first before any step.
    pub energies: Vec<(&'static str, Vec<f32>)>,
    /// The mask phi of the component graph, `[height, width, 4]` for up, down, left and right, where the energy has one.
    pub edges: Option<Vec<f32>>,
    /// Whether the descent ended before all its steps since its energy rests, as `descent.tolerance` has it.
    pub rests: bool,
    /// The step after which beliefs or an energy are out of all bounds; nothing is told of it or later ones.
    pub diverged: Option<usize>,
}

impl Follower {
    /// The descent of `labels` beliefs a pixel over a picture of this shape (`n` is 1), with the parameters that were learnt,
    /// under `descent.`. A compatibility of labels that was not learnt is that of each with itself.
    ///
    /// # Errors
    /// [`Error::Config`] for parameters that are missing or have another shape, [`Error::Shape`] for an ensemble, and what
    /// operators and device raise.
    pub fn new(
        context: &Arc<Context>,
        descent: &Descent,
        picture: Shape,
        labels: usize,
        learnt: &TensorMap,
    ) -> Result<Self> {
        let mut graph = Graph::new();
        let beliefs = picture.with_c(labels);
        let picture = graph.input("picture", picture);
        let [start, state] = ["first beliefs", "beliefs"].map(|name| graph.input(name, beliefs));
        let step = descent.step(&mut Net::new(&mut graph, false), picture, start, state)?;
        let told = step.energies.iter().map(|(_, var)| *var);
        told.chain([step.next]).chain(step.edges).for_each(|var| graph.output(var));
        let weights = Arc::new(Weights::new(context, &graph, 0)?);
        set(&weights, learnt)?;
        let session = Session::sharing(Plan::new(&graph, context)?, &weights, None)?;
        Ok(Self { descent: descent.clone(), session, picture, start, state, step })
    }

    /// Descends from `beliefs` `[height, width, labels]` over `picture` `[height, width, channels]`. Hands `see` the number of
    /// each step and the beliefs after it, 0 first.
    ///
    /// # Errors
    /// [`Error::Shape`] if a count of numbers is wrong; those of `see`; what the device raises.
    pub fn follow(
        &self,
        picture: &[f32],
        beliefs: &[f32],
        mut see: impl FnMut(usize, &[f32]) -> Result<()>,
    ) -> Result<Trail> {
        self.session.write(self.picture, picture)?;
        self.session.write(self.start, beliefs)?;
        let energies = self.step.energies.iter().map(|(name, _)| (*name, Vec::new())).collect();
        let mut trail = Trail { energies, ..Trail::default() };
        let mut state = beliefs.to_vec();
        for step in 0..=self.descent.steps {
            self.session.write(self.state, &state)?;
            self.session.run();
            let energies = self.energies()?;
            // As a prediction looks at it.
            let bounded = state.iter().map(|v| v * v).sum::<f32>().is_finite();
            if !bounded || energies.iter().any(|v| !v.is_finite()) {
                trail.diverged = Some(step);
                break;
            }
            trail.energies.iter_mut().zip(energies).for_each(|((_, all), energy)| all.push(energy));
            see(step, &state)?;
            trail.rests = self.rests(step, &trail);
            if trail.rests {
                break;
            }
            state = self.session.read(self.step.next)?;
        }
        trail.edges = self.step.edges.map(|var| self.session.read(var)).transpose()?;
        Ok(trail)
    }

    /// Of the beliefs that were written last.
    fn energies(&self) -> Result<Vec<f32>> {
        let first = |var| Ok(self.session.read(var)?.first().copied().unwrap_or_default());
        self.step.energies.iter().map(|(_, var)| first(*var)).collect()
    }

    /// Whether a stretch of steps ends here and has hardly changed the energy.
    fn rests(&self, step: usize, trail: &Trail) -> bool {
        let Descent { tolerance, stretch, steps, .. } = self.descent;
        let stretch = stretch.max(1);
        let ends = step > 0 && step < steps && step.is_multiple_of(stretch);
        let Some((_, energy)) = trail.energies.first() else { return false };
        let (Some(before), Some(after)) =
            (step.checked_sub(stretch).and_then(|at| energy.get(at)), energy.last())
        else {
            return false;
        };
        tolerance > 0.0 && ends && (after - before).abs() <= tolerance * before.abs().max(TINY)
    }
}

fn set(weights: &Weights, learnt: &TensorMap) -> Result<()> {
    for param in &weights.params {
        let (name, shape) = (&param.name, param.layout.torch_shape());
        match learnt.get(name) {
            Some(tensor) if tensor.shape == shape => weights.set(name, &tensor.data)?,
            Some(tensor) => {
                let have = &tensor.shape;
                return Err(Error::Config(format!(
                    "{name} was learnt in the shape {have:?}, and the keys of [descent] want {shape:?}"
                )));
            }
            None if name == COMPATIBILITY => {}
            None => {
                return Err(Error::Config(format!(
                    "the descent needs {name}, which is learnt; give a run that was trained with this [descent]"
                )));
            }
        }
    }
    Ok(())
}

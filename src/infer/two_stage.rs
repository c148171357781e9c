//! Two stages on the device: one plan from the picture to the map, with nothing read back between.

use std::sync::Arc;

use super::predictor::{check_descents, descents};
#[cfg(feature = "cli")]
use super::{Mapper, Probabilities};
#[cfg(feature = "cli")]
use crate::data::{Grain, Normalise, Picture};
use crate::{
    Error, Result,
    graph::{Graph, Plan, Session, Shape, Var, Weights},
    models::{Staged, TwoStage},
};

/// Plans that are kept, by size of the picture; the oldest of more goes.
const PLANS: usize = 4;

/// Two networks that turn pictures of any size into probabilities.
pub struct TwoStagePredictor {
    model: TwoStage,
    weights: Arc<Weights>,
    mixed: bool,
    ready: Vec<Ready>,
}

struct Ready {
    size: [usize; 2],
    session: Session,
    x: Var,
    y: Var,
    descents: Vec<Var>,
}

/// The graph of both networks for one picture of `size` (height, width), padded: with the picture, and what is made of it.
///
/// # Errors
/// [`Error::Shape`] as [`TwoStage::build`].
pub fn graph(model: &TwoStage, size: [usize; 2]) -> Result<(Graph, Var, Staged)> {
    let mut graph = Graph::new();
    let [h, w] = model.padded(size);
    let x = graph.input("picture", Shape::new(1, h, w, model.stage1.in_channels));
    let staged = model.build(&mut graph, x, size)?;
    graph.output(staged.map);
    Ok((graph, x, staged))
}

/// The pixel that stands for pixel `i` of a side of `n`: itself, or beyond it that which mirrors it, without repeating the last.
fn mirrored(i: usize, n: usize) -> usize {
    let period = (2 * n).saturating_sub(2).max(1);
    let i = i % period;
    if i < n { i } else { period - i }
}

impl TwoStagePredictor {
    /// On the weights of both, under the names that [`TwoStage::build`] gives them.
    pub fn new(model: TwoStage, weights: &Arc<Weights>) -> Self {
        Self { model, weights: weights.clone(), mixed: false, ready: Vec::new() }
    }

    /// Whether activations are stored in half; those of a new one are not.
    #[must_use]
    pub fn mixed(self, mixed: bool) -> Self {
        Self { mixed, ready: Vec::new(), ..self }
    }

    /// Both networks and how they share the work.
    pub fn model(&self) -> &TwoStage {
        &self.model
    }

    fn ready(&mut self, size: [usize; 2]) -> Result<&Ready> {
        if let Some(at) = self.ready.iter().position(|ready| ready.size == size) {
            return Ok(&self.ready[at]);
        }
        let (mut graph, x, staged) = graph(&self.model, size)?;
        let descents = descents(&mut graph, &staged.descended)?;
        graph.fuse();
        graph.shorten(&self.weights.context.capabilities());
        if self.mixed {
            graph.mixed();
        }
        let session = Session::sharing(Plan::new(&graph, &self.weights.context)?, &self.weights, None)?;
        if self.ready.len() >= PLANS {
            self.ready.remove(0);
        }
        self.ready.push(Ready { size, session, x, y: staged.map, descents });
        self.ready.last().ok_or_else(|| Error::Check("no plan was kept".into()))
    }

    /// Probabilities of one picture of `size` (height, width; NHWC, values as in training): `[height, width, classes]`, one
    /// channel for a binary model. What is padded is the picture mirrored.
    ///
    /// # Errors
    /// [`Error::Shape`] if the size does not suit the networks or the count of numbers is wrong; [`Error::Diverged`] if a
    /// descent drives beliefs out of all bounds; what the device raises.
    pub fn predict(&mut self, picture: &[f32], size: [usize; 2]) -> Result<Vec<f32>> {
        let ([h, w], padded) = (size, self.model.padded(size));
        let (channels, classes) = (self.model.stage1.in_channels, self.model.stage1.out_channels);
        if picture.len() != h * w * channels {
            let message = format!("wants {h}x{w}x{channels} numbers, got {}", picture.len());
            return Err(Error::shape("two stages", message));
        }
        let ready = self.ready(size)?;
        if padded == size {
            ready.session.write(ready.x, picture)?;
        } else {
            let columns: Vec<usize> = (0..padded[1]).map(|x| mirrored(x, w)).collect();
            let rows = (0..padded[0]).map(|y| mirrored(y, h) * w);
            let pixels = rows.flat_map(|row| columns.iter().map(move |x| (row + x) * channels));
            let all: Vec<f32> = pixels.flat_map(|at| picture[at..at + channels].iter().copied()).collect();
            ready.session.write(ready.x, &all)?;
        }
        ready.session.run();
        check_descents(&ready.session, &ready.descents)?;
        let map = ready.session.read(ready.y)?;
        if padded == size {
            return Ok(map);
        }
        let rows = map.chunks_exact(padded[1] * classes).take(h);
        Ok(rows.flat_map(|row| &row[..w * classes]).copied().collect())
    }
}

/// Whole pictures by two stages, at their own size.
#[cfg(feature = "cli")]
pub struct TwoStageWhole {
    predictor: TwoStagePredictor,
    normalise: Normalise,
}

#[cfg(feature = "cli")]
impl TwoStageWhole {
    /// `normalise` as in the training of both. It sees the large picture alone: what scales pictures by themselves gives stage 1 a
    /// scale that its training, on pictures made small and so smoother, did not have.
    pub fn new(predictor: TwoStagePredictor, normalise: Normalise) -> Self {
        Self { predictor, normalise }
    }
}

#[cfg(feature = "cli")]
impl Mapper for TwoStageWhole {
    fn map(&mut self, picture: &Picture, noise: Option<Grain>) -> Result<Probabilities> {
        let mut seen = picture.clone();
        if let Some(grain) = noise {
            grain.add(&mut seen);
        }
        self.normalise.apply(&mut seen)?;
        let (width, height) = (picture.width, picture.height);
        let data = self.predictor.predict(&seen.data, [height, width])?;
        Ok(Probabilities { width, height, channels: self.predictor.model().stage1.out_channels, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_mirrors() {
        assert_eq!((0..9).map(|i| mirrored(i, 4)).collect::<Vec<_>>(), [0, 1, 2, 3, 2, 1, 0, 1, 2]);
        assert_eq!((0..3).map(|i| mirrored(i, 1)).collect::<Vec<_>>(), [0, 0, 0]);
    }
}

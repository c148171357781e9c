//! What a trained model takes, beside how good it is.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Setup, config::Config, runlog::RunLog, training_graph};
use crate::{
    Result,
    gpu::Context,
    graph::{Plan, Shape},
    infer::{Predictor, predictor},
    metrics::{Phase, Times},
};

/// Predictions that are timed.
const TIMED: usize = 5;
/// Predictions before those: the first makes the plan and compiles the kernels.
const WARM: usize = 2;
/// How near to the best Dice of validation counts as there.
const NEAR: f64 = 0.01;

/// Costs of a model at the size of its config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// Trained numbers.
    pub parameters: u64,
    /// Floating-point operations of predicting a picture.
    pub flops: u64,
    /// Bytes on the device while one picture is predicted.
    pub bytes: u64,
    /// Bytes on the device in a training step.
    pub training_bytes: u64,
    /// Milliseconds of predicting one picture, upload and download included: the median of a few.
    pub milliseconds: f64,
    /// Epochs until Dice of validation was first within 0.01 of its best; none without validation.
    pub epochs: Option<u64>,
}

impl Footprint {
    /// Counts, and times `model` in prediction.
    ///
    /// # Errors
    /// What the device raises, or reading the log of the run.
    pub fn of(context: &Context, config: &Config, setup: &Setup, model: &mut Predictor) -> Result<Self> {
        let [height, width] = setup.size;
        let one = Shape::new(1, height, width, setup.model.in_channels);
        let mut predicting = predictor::graph(&setup.model, one)?.0;
        predicting.shorten(&context.capabilities());
        let predicting = Plan::new(&predicting, context)?;
        let predicting = predicting.summary();
        let batch = config.train.batch.div_ceil(config.train.micro_batches);
        let training = training_graph(&setup.model, &setup.loss, Shape { n: batch, ..one }, setup.step)?;
        let picture = vec![0.5; one.count()];
        let mut times = Vec::with_capacity(TIMED);
        for round in 0..WARM + TIMED {
            let began = Instant::now();
            model.predict(&picture, 1)?;
            if round >= WARM {
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(Self {
            parameters: predicting.parameters as u64,
            flops: predicting.flops,
            bytes: predicting.peak_bytes,
            training_bytes: Plan::new(&training.graph, context)?.summary().peak_bytes,
            milliseconds: Times::of(times).median,
            epochs: convergence(&validations(config)?),
        })
    }
}

/// Epochs of a run, from 0, with Dice of validation.
fn validations(config: &Config) -> Result<Vec<(u64, f64)>> {
    let log = RunLog::read(&config.train.out)?;
    let val = log.iter().filter(|row| row.phase == Phase::Val);
    Ok(val.filter_map(|row| Some((row.epoch, row.get("dice")?))).collect())
}

/// The first epoch, counted from 1, whose Dice is near the best.
fn convergence(dice: &[(u64, f64)]) -> Option<u64> {
    let best = dice.iter().map(|(_, dice)| *dice).filter(|dice| dice.is_finite()).fold(f64::NAN, f64::max);
    dice.iter().find(|(_, dice)| *dice >= best - NEAR).map(|(epoch, _)| epoch + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convergence_is_the_first_epoch_near_the_best() {
        assert_eq!(convergence(&[(0, 0.5), (1, 0.795), (2, f64::NAN), (3, 0.80), (4, 0.79)]), Some(2));
        assert_eq!(convergence(&[(0, f64::NAN)]), None);
        assert_eq!(convergence(&[]), None);
    }
}

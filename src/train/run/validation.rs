//! Validation: what a run logs and keeps of it, and the loss where that judges.

use std::{collections::BTreeMap, fs, sync::Arc};

use super::{
    super::{
        Data, Objective, Setup, checkpoint,
        config::{Config, Judge},
        evaluate::headline,
    },
    Run,
};
use crate::{
    Error, Result,
    data::{Loader, LoaderOptions, Partial},
    graph::{Graph, Plan, Session, Shape, Var, Weights},
    metrics::{Phase, Row, Summary},
};

/// The mean loss over the windows of the pictures kept for validation, by the network in evaluation.
pub(super) struct ValidationLoss {
    objective: Arc<dyn Objective>,
    channels: usize,
    loader: Loader,
    /// By the size of a batch: that of a micro-batch in training, and that of the last.
    plans: BTreeMap<usize, Planned>,
}

struct Planned {
    session: Session,
    x: Var,
    y: Var,
    loss: Var,
}

impl ValidationLoss {
    /// Of a network that has `weights`.
    ///
    /// # Errors
    /// What pictures or device raise.
    pub(super) fn new(config: &Config, setup: &Setup, data: &Data, weights: &Arc<Weights>) -> Result<Self> {
        let crops = setup.fit.crops(&*data.dataset, &data.split.val)?;
        let windows = crops.len();
        let batch = config.train.batch.div_ceil(config.train.micro_batches).min(windows);
        let options = LoaderOptions { partial: Partial::Pad, ..setup.in_order(config, batch) };
        let objective = setup.objective(config);
        let channels = objective.target_channels(&setup.model);
        let plan = |n: usize| -> Result<(usize, Planned)> {
            let mut graph = Graph::new();
            let x =
                graph.input("picture", Shape::new(n, setup.size[0], setup.size[1], setup.model.in_channels));
            let y = graph.input("target", graph.shape(x).with_c(channels));
            let looks = objective.looks(&mut graph, &setup.model, x, false)?;
            graph.fuse();
            let loss = objective.loss(&mut graph, &looks, x, y)?;
            graph.output(loss);
            Ok((
                n,
                Planned { session: Session::new(Plan::new(&graph, &weights.context)?, weights)?, x, y, loss },
            ))
        };
        let sizes = [batch, windows % batch].into_iter().filter(|n| *n > 0);
        let plans = sizes.map(plan).collect::<Result<_>>()?;
        Ok(Self { objective, channels, loader: Loader::new(data.dataset.clone(), crops, options)?, plans })
    }

    /// By the weights as they are now.
    ///
    /// # Errors
    /// What pictures or device raise.
    fn mean(&self) -> Result<f64> {
        let (mut sum, mut windows) = (0.0, 0);
        for batch in self.loader.epoch(0) {
            let batch = batch?;
            let n = batch.valid;
            let Planned { session, x, y, loss } = &self.plans[&n];
            let (of_x, of_y) = (batch.h * batch.w * batch.c, batch.h * batch.w);
            session.write(*x, &batch.x[..n * of_x])?;
            session.write(*y, &self.objective.targets(&batch.y[..n * of_y], self.channels))?;
            session.run();
            sum += n as f64 * session.read(*loss)?.first().copied().map_or(f64::NAN, f64::from);
            windows += n;
        }
        Ok(sum / windows.max(1) as f64)
    }
}

impl Run<'_> {
    /// Logs the scores of a validation after an epoch of that mean loss, and keeps the weights if they are the best.
    pub(super) fn judge(&mut self, summary: &Summary, (epoch, step): (u64, u64), mean: f64) -> Result<()> {
        let dice = headline(summary);
        let pooled = &summary.pooled;
        let mut row = Row::new(Phase::Val, epoch, step)
            .with("dice", dice.unwrap_or(f64::NAN))
            .with("iou", pooled.macro_foreground.iou.unwrap_or(f64::NAN))
            .with("accuracy", pooled.accuracy.unwrap_or(f64::NAN));
        let loss = self.validation_loss.as_ref().map(ValidationLoss::mean).transpose()?;
        let mut said = format!("epoch {:4}  loss {mean:.4}  Dice {:.4}", epoch + 1, dice.unwrap_or(f64::NAN));
        if let Some(loss) = loss {
            row = row.with("loss", loss);
            said += &format!("  validation loss {loss:.4}");
        }
        self.log.append(&row)?;
        self.say(&said);
        // Higher is better.
        let value = loss.map(|loss| -loss).or(dice);
        if let Some(spec) = &self.rates.plateau {
            self.progress.plateau.look(spec, value.unwrap_or(f64::NAN));
        }
        self.progress.stale += 1;
        if value > self.progress.best {
            self.progress.best = value;
            self.progress.stale = 0;
            let path = self.config.train.out.join("best.safetensors");
            checkpoint::save_weights(self.trainer.weights(), &self.progress, &path)?;
        }
        self.keep_snapshot(value, step)?;
        if self.out_of_patience() {
            let train = &self.config.train;
            let what = if train.judge == Judge::Loss { "lower loss" } else { "better Dice" };
            self.say(&format!("ended early: no {what} in {} validations", train.patience));
        }
        Ok(())
    }

    /// Keeps the weights of a validation if it is among the best.
    fn keep_snapshot(&mut self, value: Option<f64>, step: u64) -> Result<()> {
        let (Some(value), most @ 2..) = (value, self.config.train.snapshots) else { return Ok(()) };
        let kept = &mut self.progress.snapshots;
        kept.retain(|(_, other)| *other != step);
        kept.push((value, step));
        // Of equal ones the earlier stay.
        kept.sort_by(|a, b| b.0.total_cmp(&a.0));
        kept.truncate(most);
        if kept.iter().any(|(_, other)| *other == step) {
            let path = checkpoint::snapshot(&self.config.train.out, step);
            checkpoint::save_weights(self.trainer.weights(), &self.progress, &path)?;
        }
        Ok(())
    }

    pub(super) fn remove_old_snapshots(&self) -> Result<()> {
        let folder = &self.config.train.out;
        let kept: Vec<_> =
            self.progress.snapshots.iter().map(|(_, s)| checkpoint::snapshot(folder, *s)).collect();
        let mut all = checkpoint::snapshots(folder)?;
        all.retain(|path| !kept.contains(path));
        all.iter().try_for_each(|path| fs::remove_file(path).map_err(Error::io(path)))
    }
}

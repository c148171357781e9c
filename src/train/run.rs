//! A training run: epochs, validation, logs, checkpoints, report.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

mod validation;

use self::validation::ValidationLoss;
use super::{
    Data, Evaluated, Evaluation, Footprint, Progress, Setup, Shown, Trainer, checkpoint,
    clock::{self, Clock},
    config::{Config, Judge, OrderName, Partial},
    curriculum,
    evaluate::trained,
    lock::RunLock,
    miner::Mined,
    report,
    run_folder::{FILES, clear, is_of, refuse_another, refuse_taken},
    runlog::RunLog,
    setup,
};
use crate::{
    Error, Result,
    data::{Fit, Loader, Ranking},
    gpu::Context,
    graph::{Plan, Shape},
    infer::{Looks, Predictor, predictor},
    io::atomic::write_atomic,
    metrics::{Phase, Row, Summary},
    optim::{PlateauSpec, ScalingState, Warmup},
};

/// Steps between two looks at the losses; the device runs ahead meanwhile.
pub(super) const LOOK_EVERY: usize = 8;

/// How a run begins.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Goes on from the last checkpoint of the run folder.
    pub resume: bool,
    /// Replaces a run that is there.
    pub overwrite: bool,
    /// Weights to start from, in safetensors with PyTorch's names.
    pub init: Option<PathBuf>,
    /// Shows no progress bar.
    pub quiet: bool,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Optimiser steps done.
    pub steps: u64,
    /// The best of validation: Dice, or by `train.judge = "loss"` the negative loss.
    pub best: Option<f64>,
    /// Scores of the best weights on the test pictures (the validation pictures where there are none).
    pub scores: Summary,
    /// Seconds of all processes of the run, each up to its last checkpoint.
    pub seconds: f64,
    /// Part of the time of its training steps in which they waited for pictures.
    pub waited: f64,
    /// What the model takes.
    #[serde(default)]
    pub footprint: Option<Footprint>,
    /// The devices that it was trained on, with their drivers.
    #[serde(default)]
    pub hardware: Vec<String>,
}

struct Run<'a> {
    config: &'a Config,
    setup: Setup,
    data: Data,
    loader: Loader,
    trainer: Trainer,
    /// Where it judges.
    validation_loss: Option<ValidationLoss>,
    log: RunLog,
    progress: Progress,
    steps: u64,
    bar: ProgressBar,
    rates: Rates,
    /// Learning rate of the last step, for the log.
    lr: f64,
    clock: Clock,
}

/// How the learning rate moves: by step, and by validation.
struct Rates {
    schedule: Warmup,
    plateau: Option<PlateauSpec>,
}

impl Rates {
    fn at(&self, step: u64, progress: &Progress) -> f64 {
        let scheduled = self.schedule.lr_at(step);
        let Some(spec) = self.plateau else { return scheduled };
        // Where the schedule alone goes below the least rate, that is its own doing.
        let least = spec.least.min(scheduled);
        (scheduled * (progress.plateau.rate(&spec) / spec.base)).max(least)
    }
}

/// Trains as `config` says, in its run folder.
///
/// # Errors
/// Whatever is wrong with config, data, device or disk; what is already in the run folder stays usable.
pub fn run(context: &Arc<Context>, config: &Config, options: &RunOptions) -> Result<Outcome> {
    let began = Instant::now();
    let folder = config.train.out.clone();
    // A folder that is not there is not made before its run is known to be possible.
    let was_there = folder.exists();
    let lock = was_there.then(|| RunLock::take(&folder)).transpose()?;
    refuse_taken(&folder, options)?;
    let setup = Setup::new(config)?;
    let mut data = setup.open_data(config)?;
    data.warnings.iter().for_each(|w| eprintln!("warning: {w}"));
    if data.split.val.is_empty() && (config.train.patience > 0 || config.train.snapshots > 1) {
        eprintln!("warning: train.patience and train.snapshots do nothing without pictures for validation");
    }
    let mut loader = data.training_loader(config, &setup)?;
    let mut trainer = Trainer::new(
        context,
        &setup.model,
        &setup.objective(config),
        &setup.optim,
        setup.size,
        config.train.micro_batches,
        config.train.seed,
    )?
    .recomputing(setup.step.recompute)
    .augmenting(setup.step.augment);
    let last = folder.join("last.safetensors");
    let goes_on = options.resume && last.exists();
    if !goes_on || options.init.is_some() {
        start_weights(&trainer, &setup, options)?;
    }
    let mut progress = Progress { config: config.to_toml()?, ..Default::default() };
    if goes_on {
        progress = checkpoint::load(&mut trainer, &last)?;
        refuse_another(&Config::from_toml(&progress.config, &[])?, config, &last)?;
        progress.config = config.to_toml()?;
        context.choose(std::mem::take(&mut progress.kernels));
    }
    reserve_memory(context, config, &setup, &mut trainer, loader.windows())?;
    let by_loss = config.train.judge == Judge::Loss && !data.split.val.is_empty();
    let validation_loss =
        by_loss.then(|| ValidationLoss::new(config, &setup, &data, trainer.weights())).transpose()?;
    progress.kernels = context.choices();
    if !config.curriculum.miner.as_os_str().is_empty() {
        let miner = &config.curriculum.miner;
        data.learnt = Arc::new(Mined::new(context, miner, &data, setup.model.stages())?);
        loader = data.training_loader(config, &setup)?;
    }
    let given = curriculum::given(config, &data)?;
    refuse_two_starts(config, &setup, options)?;
    // Nothing is touched before everything that can be refused has been looked at.
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let _lock = match lock {
        Some(lock) => lock,
        None => RunLock::take(&folder)?,
    };
    if !was_there && FILES.iter().any(|name| folder.join(name).exists()) {
        // Another process made it meanwhile.
        return Err(Error::Busy(folder));
    }
    clear(&folder, options)?;
    let clock = Clock::start(&folder, options.resume, began, clock::device(&context.info));
    curriculum::remove_half(&folder, goes_on || is_of(&folder, config))?;
    write_atomic(folder.join("config.toml"), progress.config.as_bytes())?;
    let kernels = serde_json::to_vec_pretty(&progress.kernels).map_err(|e| Error::Check(e.to_string()))?;
    write_atomic(folder.join("kernels.json"), &kernels)?;
    let log = match options.resume {
        true => RunLog::resume(&folder, progress.epoch)?,
        false => RunLog::create(&folder, false)?,
    };
    if config.curriculum.order != OrderName::None {
        loader = begin_curriculum(&trainer, config, &setup, &data, given, options.quiet)?;
        if config.curriculum.initialise && !goes_on {
            let heads = checkpoint::heads(&setup.model, setup.size)?;
            checkpoint::load_trunk(trainer.weights(), &heads, &folder.join(curriculum::WEIGHTS))?;
        }
    }
    let steps = planned_steps(config, loader.batches());
    let bar = progress_bar(options.quiet, steps, progress.step);
    // A run may go on between the last step of an epoch and its row in the log.
    let rates = Rates {
        schedule: setup::schedule(&config.optim, steps, loader.batches()),
        plateau: setup::plateau(&config.optim, !data.split.val.is_empty()),
    };
    let lr = rates.at(progress.step.saturating_sub(1), &progress);
    let mut run = Run {
        config,
        setup,
        data,
        loader,
        trainer,
        validation_loss,
        log,
        progress,
        steps,
        bar,
        rates,
        lr,
        clock,
    };
    run.train()?;
    run.bar.finish_and_clear();
    run.finish(context)
}

/// Ranks the training pictures, where the run folder has no ranking yet.
fn begin_curriculum(
    trainer: &Trainer,
    config: &Config,
    setup: &Setup,
    data: &Data,
    given: Option<Ranking>,
    quiet: bool,
) -> Result<Loader> {
    let mut say = |line: &str| {
        if !quiet {
            println!("{line}");
        }
    };
    let folder = &config.train.out;
    let context = &trainer.weights().context;
    let ranking = curriculum::rank(context, config, setup, data, given, folder, &mut say)?;
    data.ranked_loader(config, setup, Some(&ranking))
}

/// Reads what the weights start from, where they are not drawn.
fn start_weights(trainer: &Trainer, setup: &Setup, options: &RunOptions) -> Result<()> {
    match (options.init.as_ref().or(setup.init.as_ref()), &setup.encoder_weights) {
        (Some(all), _) => checkpoint::load_weights(trainer.weights(), all),
        (None, Some(encoder)) => checkpoint::load_encoder(trainer.weights(), encoder),
        (None, None) => {
            if setup.model.encoder.frozen {
                eprintln!(
                    "warning: model.freeze_encoder leaves the encoder as it was drawn; give model.encoder_weights"
                );
            }
            Ok(())
        }
    }
}

/// Weights that start from what a task taught start from nothing else.
fn refuse_two_starts(config: &Config, setup: &Setup, options: &RunOptions) -> Result<()> {
    let others = [&options.init, &setup.init, &setup.encoder_weights];
    if config.curriculum.initialise && others.iter().any(|other| other.is_some()) {
        return Err(Error::Config(
            "curriculum.initialise would replace the weights of --init, train.init or model.encoder_weights; give one of them"
                .into(),
        ));
    }
    Ok(())
}

/// Allocates training and plans validation, so that what does not fit is refused before the folder changes; the last batch of an epoch
/// of so many windows may be smaller.
fn reserve_memory(
    context: &Context,
    config: &Config,
    setup: &Setup,
    trainer: &mut Trainer,
    windows: usize,
) -> Result<()> {
    let batch = config.train.batch;
    trainer.reserve(batch)?;
    if config.train.partial == Partial::Pad {
        trainer.reserve(windows % batch)?;
    }
    let tiles = if matches!(setup.fit, Fit::Tile { .. }) { batch } else { 1 };
    let shape = Shape::new(tiles, setup.size[0], setup.size[1], setup.model.in_channels);
    Plan::new(&predictor::graph(&setup.model, shape)?.0, context)?;
    Ok(())
}

fn planned_steps(config: &Config, batches: usize) -> u64 {
    let all = (config.train.epochs * batches) as u64;
    if config.train.max_steps > 0 { all.min(config.train.max_steps as u64) } else { all }
}

fn progress_bar(quiet: bool, steps: u64, done: u64) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(steps).with_position(done);
    let style = ProgressStyle::with_template("{bar:30} step {pos}/{len}  {msg}  {per_sec}  left {eta}");
    // The template is constant; the default bar does as well.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

impl Run<'_> {
    fn train(&mut self) -> Result<()> {
        // An epoch that was begun is closed, even where a killed run had taken its last step.
        let epochs = self.config.train.epochs as u64;
        while self.progress.epoch < epochs
            && (self.progress.step < self.steps || self.progress.batch > 0)
            && !self.out_of_patience()
        {
            if let Err(error) = self.epoch() {
                // Data that cannot be used costs no step that is done; a device that fails can save nothing.
                if matches!(error, Error::Data { .. } | Error::Io { .. }) {
                    self.save()?;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn out_of_patience(&self) -> bool {
        let patience = self.config.train.patience as u64;
        patience > 0 && self.progress.stale >= patience
    }

    fn epoch(&mut self) -> Result<()> {
        let mut batches = self.loader.epoch(self.progress.epoch);
        batches.skip_to(self.progress.batch as usize)?;
        self.clock.enter_steps();
        while self.progress.step < self.steps {
            let asked = Instant::now();
            let Some(batch) = batches.next() else { break };
            self.clock.waited_for(asked.elapsed());
            let batch = batch?;
            let (n, of_x, of_y) = (batch.valid, batch.h * batch.w * batch.c, batch.h * batch.w);
            self.lr = self.rates.at(self.progress.step, &self.progress);
            // Padding never reaches the device: a short batch has a plan of its own.
            let (x, y, lr) = (&batch.x[..n * of_x], &batch.y[..n * of_y], self.lr as f32);
            match &self.setup.augment {
                Some(augment) => {
                    let (seed, step) = (self.config.train.seed, self.progress.step);
                    let changes = augment.changes(seed, step, n, self.setup.size);
                    self.trainer.step_changed(x, y, n, lr, &changes)?;
                }
                None => self.trainer.step(x, y, n, lr)?,
            }
            self.progress.step += 1;
            self.progress.batch += 1;
            self.bar.set_position(self.progress.step);
            if self.trainer.pending() >= LOOK_EVERY {
                self.look()?;
            }
            let every = self.config.train.checkpoint_every as u64;
            if every > 0 && self.progress.step.is_multiple_of(every) {
                self.save()?;
            }
        }
        self.look()?;
        self.clock.leave_steps();
        self.close_epoch()
    }

    /// Fetches losses and shows them.
    fn look(&mut self) -> Result<()> {
        for loss in self.trainer.losses()? {
            self.progress.losses.0 += f64::from(loss);
            self.progress.losses.1 += 1;
            self.bar.set_message(format!("loss {loss:.4}"));
        }
        Ok(())
    }

    fn close_epoch(&mut self) -> Result<()> {
        let (epoch, step) = (self.progress.epoch, self.progress.step);
        let mean = self.progress.losses.0 / self.progress.losses.1.max(1) as f64;
        let mut row = Row::new(Phase::Train, epoch, step).with("loss", mean).with("lr", self.lr);
        if let Some(ScalingState { scale, skipped }) = self.trainer.scaling()? {
            row = row.with("loss_scale", f64::from(scale)).with("skipped_steps", skipped as f64);
        }
        self.log.append(&row)?;
        let over = step >= self.steps || epoch + 1 >= self.config.train.epochs as u64;
        let due = (epoch + 1).is_multiple_of(self.config.train.eval_every.max(1) as u64);
        let validate = !self.data.split.val.is_empty() && (due || over);
        let evaluated = || self.evaluation().of(vec![self.predictor()], &self.data.split.val);
        let summary = validate.then(evaluated).transpose()?;
        self.progress = Progress { epoch: epoch + 1, batch: 0, losses: (0.0, 0), ..self.progress.clone() };
        if let Some(Evaluated { summary, .. }) = summary {
            self.judge(&summary, (epoch, step), mean)?;
        } else {
            if let Some(spec) = self.rates.plateau.as_ref().filter(|_| self.data.split.val.is_empty()) {
                self.progress.plateau.look(spec, mean);
            }
            self.say(&format!("epoch {:4}  loss {mean:.4}", epoch + 1));
        }
        if due || over {
            self.save()?;
        }
        Ok(())
    }

    /// A line above the bar, or plainly where there is none.
    fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            // Training goes on where nobody reads any more.
            let _ = writeln!(io::stdout(), "{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// Writes the last checkpoint; losses on the device are fetched first, so that it tells them.
    fn save(&mut self) -> Result<()> {
        self.look()?;
        let folder = &self.config.train.out;
        checkpoint::save(&self.trainer, self.progress.clone(), &folder.join("last.safetensors"))?;
        self.clock.save(folder)?;
        // Only now does no checkpoint name the snapshots that fell out.
        self.remove_old_snapshots()
    }

    fn predictor(&self) -> Predictor {
        Predictor::new(&self.setup.model, self.trainer.weights(), self.setup.size)
    }

    fn evaluation(&self) -> Evaluation<'_> {
        let (dataset, shown, thorough) = (&*self.data.dataset, Shown::default(), false);
        Evaluation {
            config: self.config,
            setup: &self.setup,
            dataset,
            shown,
            looks: Looks::default(),
            thorough,
        }
    }

    fn finish(mut self, context: &Arc<Context>) -> Result<Outcome> {
        let folder = &self.config.train.out;
        let evaluation = Evaluation { shown: report::SHOWN, thorough: true, ..self.evaluation() };
        // A run may have been killed between its last checkpoint and this.
        self.remove_old_snapshots()?;
        let predictors = trained(context, &self.setup, self.config, &[])?;
        let evaluated = evaluation.of(predictors, self.data.split.judged())?;
        // A run that is done is not lost for what it takes.
        let footprint = Footprint::of(context, self.config, &self.setup, &mut self.predictor());
        let footprint =
            footprint.inspect_err(|e| eprintln!("warning: what the model takes was not measured: {e}")).ok();
        self.clock.save(folder)?;
        let outcome = Outcome {
            steps: self.progress.step,
            best: self.progress.best,
            scores: evaluated.summary.clone(),
            seconds: self.clock.seconds(),
            waited: self.clock.share_waited(),
            footprint,
            hardware: self.clock.hardware.clone(),
        };
        let json = serde_json::to_vec_pretty(&outcome).map_err(|e| Error::Check(format!("scores: {e}")))?;
        write_atomic(folder.join("scores.json"), &json)?;
        write_atomic(folder.join("scores.csv"), evaluated.csv().as_bytes())?;
        report::write(context, self.config, &self.setup, &outcome, evaluated)?;
        Ok(outcome)
    }
}

//! Curricula: pictures ranked by a pretext task, by hand or by chance (SiGREnet, section II.B).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Data, Objective, Pretext, Progress, Setup, Trainer, checkpoint,
    config::{Config, OrderName, PacingName, Size},
    run::LOOK_EVERY,
    setup,
};
use crate::{
    Error, Result,
    data::{
        Course, Crop, Dataset, Loader, LoaderOptions, Pacing, Partial, Ranking, Resized, WithUnlabelled,
        contact_sheet, random,
    },
    gpu::Context,
    graph::{Graph, Plan, Session, Shape, Weights},
};

/// The ranking in a run folder.
pub(super) const RANKING: &str = "ranking.csv";
/// The training pictures in that order, to be looked at.
pub(super) const SHEET: &str = "ranking.png";
/// What the network learnt for the pretext task.
pub(super) const WEIGHTS: &str = "pretext.safetensors";
/// Most pictures on a sheet.
const SHOWN: usize = 80;

/// What `config` gives for a ranking, looked at before anything is made: the ranking of a list, if that is what it wants.
///
/// # Errors
/// [`Error::Config`] and [`Error::Data`] for a list that lacks training pictures, or a folder without pictures.
pub fn given(config: &Config, data: &Data) -> Result<Option<Ranking>> {
    let c = &config.curriculum;
    if !c.unlabelled.as_os_str().is_empty() {
        WithUnlabelled::new(data.dataset.clone(), &c.unlabelled, config.data.range)?;
    }
    if c.order != OrderName::Manual {
        return Ok(None);
    }
    let ranking = Ranking::read(&c.list)?;
    ranking.items(&*data.dataset, &data.split.train)?;
    Ok(Some(ranking))
}

/// Ranks the training pictures as `config` says, or as [`given`], and writes the ranking, a contact sheet of it and what
/// was learnt for it to `folder`; a ranking that is there already is taken as it is. `said` hears of progress.
///
/// # Errors
/// [`Error::Config`] for a list that does not fit the pictures; what data, device or disk raise.
pub fn rank(
    context: &Arc<Context>,
    config: &Config,
    setup: &Setup,
    data: &Data,
    given: Option<Ranking>,
    folder: &Path,
    said: &mut dyn FnMut(&str),
) -> Result<Ranking> {
    let path = folder.join(RANKING);
    if path.exists() {
        return Ranking::read(&path);
    }
    let train = &data.split.train;
    let ranking = match (given, config.curriculum.order) {
        (Some(ranking), _) => ranking,
        (None, OrderName::Manual) => Ranking::read(&config.curriculum.list)?,
        (None, OrderName::None | OrderName::Random) => {
            let mut items = train.clone();
            random::shuffle(
                &mut items,
                &mut random::keyed(random::Purpose::Ranking, config.train.seed, 0, 0),
            );
            Ranking { pictures: items.iter().map(|i| (data.dataset.id(*i).to_owned(), None)).collect() }
        }
        (None, OrderName::Size) => by_size(&*data.dataset, train)?,
        (None, OrderName::Reconstruction) => by_task(
            context,
            config,
            setup,
            data,
            Pretext::Reconstruction { square: config.curriculum.hidden },
            folder,
            said,
        )?,
        (None, OrderName::Rotation) => {
            by_task(context, config, setup, data, Pretext::Rotation, folder, said)?
        }
    };
    let sorted = ranking.items(&*data.dataset, train)?;
    contact_sheet(&*data.dataset, &spread(&sorted))?.write_png(folder.join(SHEET))?;
    // The last to come: where it is, all is.
    ranking.write(&path)?;
    Ok(ranking)
}

/// Of many items some at even distances, the first and the last among them.
fn spread(sorted: &[usize]) -> Vec<usize> {
    let shown = sorted.len().min(SHOWN);
    (0..shown).map(|i| sorted[i * (sorted.len() - 1) / (shown - 1).max(1)]).collect()
}

/// By the share of background: large objects are thought easy.
fn by_size(dataset: &dyn Dataset, items: &[usize]) -> Result<Ranking> {
    let measured = items.iter().map(|i| {
        let sample = dataset.load(*i)?;
        let background = sample.mask.data.iter().filter(|class| **class == 0).count();
        Ok((sample.id, background as f64 / sample.mask.data.len().max(1) as f64))
    });
    Ok(Ranking::by_difficulty(measured.collect::<Result<_>>()?))
}

/// Trains for a task and ranks by it.
fn by_task(
    context: &Arc<Context>,
    config: &Config,
    setup: &Setup,
    data: &Data,
    task: Pretext,
    folder: &Path,
    said: &mut dyn FnMut(&str),
) -> Result<Ranking> {
    let trainer = learn(context, config, setup, data, task, said)?;
    let progress = Progress { config: config.to_toml()?, ..Progress::default() };
    checkpoint::save_weights(trainer.weights(), &progress, &folder.join(WEIGHTS))?;
    measure(config, setup, data, task, trainer.weights())
}

/// Trains the network for a task, on the training pictures and on those without masks.
fn learn(
    context: &Arc<Context>,
    config: &Config,
    setup: &Setup,
    data: &Data,
    task: Pretext,
    said: &mut dyn FnMut(&str),
) -> Result<Trainer> {
    let (mut dataset, mut items) = (data.dataset.clone(), data.split.train.clone());
    let unlabelled = &config.curriculum.unlabelled;
    if !unlabelled.as_os_str().is_empty() {
        let labelled = dataset.len();
        dataset = Arc::new(WithUnlabelled::new(dataset, unlabelled, config.data.range)?);
        if let Some(Size { height, width }) = config.data.resized() {
            dataset = Arc::new(Resized::new(dataset, width, height));
        }
        items.extend(labelled..dataset.len());
    }
    let crops = setup.fit.crops(&*dataset, &items)?;
    let options =
        LoaderOptions { shuffle: true, ..setup.in_order(config, config.train.batch.min(crops.len())) };
    let loader = Loader::new(dataset, crops, LoaderOptions { partial: Partial::Drop, ..options })?;
    let (epochs, seed) = (config.curriculum.pretext_epochs as u64, config.train.seed);
    let parts = config.train.micro_batches;
    let model = task.model(&setup.model);
    let trainer = Trainer::new(context, &model, &task, &setup.optim, setup.size, parts, seed)?;
    let mut trainer = trainer.recomputing(setup.step.recompute);
    let rates = setup::schedule(&config.optim, epochs * loader.batches() as u64, loader.batches());
    let mut step = 0;
    for epoch in 0..epochs {
        let mut losses = Vec::new();
        for batch in loader.epoch(epoch) {
            let batch = batch?;
            trainer.step(&batch.x, &batch.y, batch.n, rates.lr_at(step) as f32)?;
            step += 1;
            if trainer.pending() >= LOOK_EVERY {
                losses.extend(trainer.losses()?);
            }
        }
        losses.extend(trainer.losses()?);
        let mean = losses.iter().map(|v| f64::from(*v)).sum::<f64>() / losses.len().max(1) as f64;
        said(&format!("{} epoch {:3}  loss {mean:.4}", config.curriculum.order.name(), epoch + 1));
    }
    Ok(trainer)
}

/// The training pictures by the mean loss of the task over their windows.
fn measure(
    config: &Config,
    setup: &Setup,
    data: &Data,
    task: Pretext,
    weights: &Arc<Weights>,
) -> Result<Ranking> {
    let model = task.model(&setup.model);
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(1, setup.size[0], setup.size[1], model.in_channels));
    let looks = task.looks(&mut graph, &model, x, false)?;
    let difficulty = task.loss(&mut graph, &looks, x, x)?;
    graph.output(difficulty);
    graph.fuse();
    let session = Session::new(Plan::new(&graph, &weights.context)?, weights)?;
    let crops = setup.fit.crops(&*data.dataset, &data.split.train)?;
    let loader = Loader::new(data.dataset.clone(), crops, setup.in_order(config, 1))?;
    let mut sums: Vec<(usize, f64, usize)> = Vec::new();
    for batch in loader.epoch(0) {
        let batch = batch?;
        session.write(x, &batch.x)?;
        session.run();
        let value = session.read(difficulty)?.first().copied().map_or(f64::NAN, f64::from);
        for Crop { item, .. } in batch.crops {
            match sums.last_mut() {
                Some((last, sum, count)) if *last == item => (*sum, *count) = (*sum + value, *count + 1),
                _ => sums.push((item, value, 1)),
            }
        }
    }
    if let Some((item, ..)) = sums.iter().find(|(_, sum, _)| !sum.is_finite()) {
        let id = data.dataset.id(*item);
        return Err(Error::Diverged(format!(
            "the pretext task finds no number for {id}; try a smaller optim.lr"
        )));
    }
    let measured =
        sums.into_iter().map(|(item, sum, count)| (data.dataset.id(item).to_owned(), sum / count as f64));
    Ok(Ranking::by_difficulty(measured.collect()))
}

/// The course of a run whose windows are `crops`.
///
/// # Errors
/// [`Error::Config`] where the ranking lacks training pictures.
pub(super) fn course(
    config: &Config,
    ranking: &Ranking,
    dataset: &dyn Dataset,
    crops: &[Crop],
) -> Result<Course> {
    let c = &config.curriculum;
    Ok(Course {
        windows: ranking.windows(dataset, crops)?,
        pacing: match c.pacing {
            PacingName::Linear => Pacing::Linear,
            PacingName::Root => Pacing::Root,
            PacingName::Step => Pacing::Step(c.stages),
        },
        start: c.start,
        end: c.end,
        full: (c.until * config.train.epochs as f64).round() as u64,
    })
}

/// What a run folder may hold of it.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    [RANKING, SHEET, WEIGHTS].iter().map(|name| folder.join(name)).collect()
}

/// Removes a ranking that a killed run had begun and not finished, or, without `keep`, that is of another config.
pub(super) fn remove_half(folder: &Path, keep: bool) -> Result<()> {
    if keep && folder.join(RANKING).exists() {
        return Ok(());
    }
    files(folder)
        .iter()
        .filter(|path| path.exists())
        .try_for_each(|path| fs::remove_file(path).map_err(Error::io(path)))
}

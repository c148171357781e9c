//! `gyre tune`, and the table of tuned kernels that the other commands start with.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::ProgressBar;

use super::{ConfigFile, say};
use crate::{
    Result,
    bench::{
        Table,
        tune::{self, Effort},
    },
    gpu::{Choices, Context, Select},
    graph::{Graph, Shape},
    infer::predictor,
    io::atomic::write_atomic,
    train::{Setup, config::Config, training_graph},
};

/// Which kernels are used: for every command.
#[derive(Debug, Args)]
pub struct Kernels {
    /// Takes kernels by the built-in table and rules alone: times nothing, reads and writes no cache.
    #[arg(long, global = true)]
    no_tune: bool,
    /// Takes kernels by this table, as `gyre tune --save` writes it, and by rule what it does not name; times
    /// nothing.
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "no_tune")]
    kernels: Option<PathBuf>,
}

impl Kernels {
    /// Opens a device with the choices that are known and the pipelines that were kept.
    ///
    /// # Errors
    /// What opening the device raises, and a table given by name that cannot be read.
    pub fn open(&self, select: &Select) -> Result<Arc<Context>> {
        let context = Context::new(select)?;
        self.choose(&context)?;
        if self.no_tune {
            return Ok(Arc::new(context));
        }
        let kept = pipelines_file(&context).and_then(|path| std::fs::read(path).ok());
        // SAFETY: only this program writes that file, whole or not at all, with what the driver gave it.
        let context = unsafe { context.with_pipelines(kept.as_deref()) };
        Ok(Arc::new(context))
    }

    fn choose(&self, context: &Context) -> Result<()> {
        context.choose(Table::shipped(context)?);
        if let Some(path) = &self.kernels {
            let table = Table::load(path)?;
            if !table.fits(context) {
                let (path, own) = (path.display(), Table::new(context));
                eprintln!(
                    "warning: {path} was made with {} ({}), this is {} ({}), or by other shaders; forms that are \
                     not here are not taken",
                    table.adapter, table.driver, own.adapter, own.driver
                );
            }
            context.choose(table.choices);
        } else if !self.no_tune
            && let Some(table) = cached(context)
        {
            context.choose(table.choices);
        }
        Ok(())
    }

    /// Times what a training run is going to need and no table knows. On a software device the rules are
    /// near enough, and timing would take longer than it saves.
    ///
    /// # Errors
    /// What the device raises.
    pub fn before_training(&self, context: &Arc<Context>, config: &Config) -> Result<()> {
        self.tune(context, &graphs(config)?)
    }

    /// As [`Self::before_training`], for programs.
    ///
    /// # Errors
    /// What the device raises.
    pub fn tune(&self, context: &Arc<Context>, graphs: &[Graph]) -> Result<()> {
        if self.no_tune || self.kernels.is_some() || context.is_software() {
            return Ok(());
        }
        tune_all(context, graphs, &timed(context)?, Effort::default(), false)?;
        Ok(())
    }
}

#[derive(Debug, Args)]
pub struct TuneArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Times what is known already, too.
    #[arg(long)]
    again: bool,
    /// Runs that each time is the least of.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Seconds after which no further kernel is begun.
    #[arg(long, default_value_t = 600)]
    limit: u64,
    /// Also writes the table to this file, for --kernels.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// Times the forms of every kernel that training and prediction by a config use, and keeps the fastest.
///
/// # Errors
/// What config, device or disk raise.
pub fn tune(context: &Arc<Context>, args: &TuneArgs) -> Result<u8> {
    let graphs = graphs(&args.file.load()?)?;
    let known = if args.again { Choices::default() } else { timed(context)? };
    let effort = Effort { runs: args.runs as usize, limit: Duration::from_secs(args.limit) };
    let table = tune_all(context, &graphs, &known, effort, true)?;
    if let Some(path) = &args.save {
        write_atomic(path, table.to_json()?.as_bytes())?;
    }
    Ok(0)
}

/// The choices that were timed here, or given: not those that only ship with the program.
fn timed(context: &Context) -> Result<Choices> {
    let (mut known, shipped) = (context.choices(), Table::shipped(context)?);
    let cached = cached(context).map(|table| table.choices).unwrap_or_default();
    known.0.retain(|key, _| shipped.get(key).is_none() || cached.get(key).is_some());
    Ok(known)
}

/// The programs of a config: a training step and prediction.
fn graphs(config: &Config) -> Result<[Graph; 2]> {
    let setup = Setup::new(config)?;
    let shape = |n: usize| Shape::new(n, setup.size[0], setup.size[1], setup.model.in_channels);
    let part = config.train.batch.div_ceil(config.train.micro_batches);
    Ok([
        training_graph(&setup.model, &setup.loss, shape(part), setup.step)?.graph,
        predictor::graph(&setup.model, shape(config.train.batch))?.0,
    ])
}

/// Tunes what is not in `known`, and puts it into the context and the cache; `tell` prints all times.
fn tune_all(
    context: &Arc<Context>,
    graphs: &[Graph],
    known: &Choices,
    effort: Effort,
    tell: bool,
) -> Result<Table> {
    let (mut table, mut found) = (Table::new(context), Vec::new());
    let mut known = known.clone();
    let bar = ProgressBar::new_spinner();
    let began = Instant::now();
    for graph in graphs {
        let effort = Effort { limit: effort.limit.saturating_sub(began.elapsed()), ..effort };
        let tuned = tune::tune(context, graph, &known, effort, |key| {
            bar.set_message(format!("timing {key}"));
            bar.tick();
        })?;
        for (t, form) in tuned.iter().flat_map(|t| t.wrong.iter().map(move |form| (t, form))) {
            bar.suspend(|| {
                eprintln!("warning: {} fails or is wrong by {form} on this device; not used", t.key)
            });
        }
        for t in tuned.iter().filter(|_| tell) {
            let times: Vec<_> = t.times.iter().map(|(form, ms)| format!("{form} {ms:.3} ms")).collect();
            bar.suspend(|| say!("{}\n    {}", t.key, times.join("\n    ")));
        }
        known.extend(tune::choices(&tuned));
        found.extend(tuned);
        // Read anew each time: another process may be timing, too.
        table = cached(context).unwrap_or_else(|| Table::new(context));
        table.add(&found);
        keep(&table);
    }
    bar.finish_and_clear();
    context.choose(table.choices.clone());
    Ok(table)
}

/// Writes the table to the cache; without it the next run only times again.
fn keep(table: &Table) {
    let Some(folder) = tables() else { return };
    let written = std::fs::create_dir_all(&folder)
        .map_err(crate::Error::io(&folder))
        .and_then(|()| write_atomic(folder.join(table.file_name()), table.to_json()?.as_bytes()));
    if let Err(e) = written {
        eprintln!("warning: tuned kernels are not kept: {e}");
    }
}

/// Keeps the device's pipelines for the next process; that this fails costs only their compilation.
pub fn keep_pipelines(context: &Context) {
    let (Some(path), Some(data)) = (pipelines_file(context), context.pipelines()) else { return };
    if std::fs::metadata(&path).is_ok_and(|known| known.len() == data.len() as u64) {
        return;
    }
    if let Some(folder) = path.parent()
        && std::fs::create_dir_all(folder).is_ok()
    {
        let _ = write_atomic(&path, &data);
    }
}

fn pipelines_file(context: &Context) -> Option<PathBuf> {
    Some(folder()?.join("pipelines").join(Table::new(context).file_name()).with_extension("bin"))
}

fn tables() -> Option<PathBuf> {
    Some(folder()?.join("kernels"))
}

/// Where tables and pipelines are kept: `GYRE_CACHE`, or the user's cache folder.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("GYRE_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
    given.or_else(|| dirs::cache_dir().map(|dir| dir.join("gyre")))
}

/// This device's table, if it is there and whole.
fn cached(context: &Context) -> Option<Table> {
    let path = tables()?.join(Table::new(context).file_name());
    let known = |path: &Path| path.is_file().then(|| Table::load(path));
    match known(&path)? {
        Ok(table) => Some(table).filter(|t| t.fits(context)),
        Err(e) => {
            eprintln!("warning: {e}; its kernels are timed anew");
            None
        }
    }
}

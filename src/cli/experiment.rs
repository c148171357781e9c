//! `gyre experiment`.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};

use super::{
    claims::{self, ClaimsArgs},
    say,
    tune::Kernels,
};
use crate::{
    Error, Result,
    experiment::{
        Choice, Claims, DataRow, Event, Figure, Results, Shard, Spec, StagedResults, Sweep, Table, Trio,
        builtin, draw_stages,
    },
    gpu::Context,
    io::atomic::write_atomic,
    metrics::{Correction, Summary},
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ExperimentArgs {
    #[command(subcommand)]
    what: Option<What>,
    /// A TOML file, or an experiment that ships with gyre: table1, table2, noise, samples, noise_angiography,
    /// samples_angiography, sigrenet, efficiency, twostage, twostage_chase.
    #[arg(required = true)]
    experiment: Option<String>,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Runs only what has this label; given several times, what has them all. Tables are of the whole experiment.
    #[arg(long, value_name = "LABEL")]
    only: Vec<String>,
    /// Does the i-th part of n of the runs, from 1, as one of a cluster's jobs; all write tables of what is done.
    #[arg(long, default_value = "1/1", value_name = "I/N")]
    shard: Shard,
    /// Lists the runs and whether they are done; runs nothing.
    #[arg(long, conflicts_with = "tables")]
    list: bool,
    /// Writes tables, plots and figures of what is done; runs nothing.
    #[arg(long)]
    tables: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Holds what experiments claim against the scores that are done; runs nothing.
    Claims(ClaimsArgs),
}

/// What a user chooses of an experiment.
#[derive(Debug, Args)]
pub struct ChoiceArgs {
    /// One of the experiment's profiles, such as reduced or paper.
    #[arg(long)]
    profile: Option<String>,
    /// A data folder that the experiment needs; may be repeated.
    #[arg(long = "data", value_name = "NAME=FOLDER", value_parser = folder)]
    data: Vec<(String, String)>,
    /// Overrides a config key of all runs; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Seeds instead of the experiment's.
    #[arg(long, value_delimiter = ',', value_name = "SEED,..")]
    seeds: Option<Vec<u64>>,
    /// Where runs, tables and figures go. Experiments of one folder share the runs that they have in common.
    #[arg(long, default_value = "runs/experiments")]
    out: PathBuf,
}

impl ChoiceArgs {
    pub fn choice(&self) -> Choice {
        Choice {
            profile: self.profile.clone(),
            folders: self.data.iter().cloned().collect::<BTreeMap<_, _>>(),
            overrides: self.set.clone(),
            seeds: self.seeds.clone(),
            out: self.out.clone(),
        }
    }

    /// The name of an experiment's files.
    pub fn file_name(&self, experiment: &str) -> String {
        match &self.profile {
            Some(profile) => format!("{experiment}-{profile}"),
            None => experiment.to_owned(),
        }
    }
}

fn folder(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => Ok((name.to_owned(), path.to_owned())),
        _ => Err("expected NAME=FOLDER".into()),
    }
}

/// Runs what is not done of an experiment, then writes its tables and figures. Status 1 if runs failed.
///
/// # Errors
/// [`Error::Config`] for an experiment or a config that is wrong, [`Error::Io`] where something cannot be written.
pub fn experiment(
    context: impl Fn() -> Result<Arc<Context>>,
    kernels: &Kernels,
    args: &ExperimentArgs,
) -> Result<u8> {
    if let Some(What::Claims(args)) = &args.what {
        return claims::claims(args);
    }
    let (name, spec) = read(args.experiment.as_deref().unwrap_or_default())?;
    let sweep = Sweep::new(spec, &args.choice.choice())?;
    let wanted = sweep.clone().only(&args.only)?;
    if args.list {
        list(&wanted)?;
        return Ok(0);
    }
    let mut failed = 0;
    if !args.tables {
        let context = context()?;
        failed = run(&context, kernels, &wanted, args.shard)? + run_trios(&context, &wanted, args.shard)?;
    }
    let name = args.choice.file_name(&name);
    let results = Results::of(&sweep)?;
    write_tables(&results, &sweep, &name)?;
    write_plots(&results, &sweep, &name)?;
    write_stages(&sweep, &name)?;
    write_claims(results, &sweep, &name)?;
    write_figures(&context, &sweep, &name)?;
    Ok(u8::from(failed > 0))
}

fn list(sweep: &Sweep) -> Result<()> {
    let thorough = sweep.is_thorough();
    for cell in &sweep.cells {
        let mut state = cell.outcome()?.map_or("to do".into(), |outcome| headline(&outcome.scores));
        if !cell.again.is_empty() {
            let mut done = 0;
            for again in &cell.again {
                done += usize::from(again.scores(cell, thorough)?.is_some());
            }
            state += &format!(", {done} of {} again", cell.again.len());
        }
        say!("{}  {}  {state}", cell.config.train.out.display(), cell.name());
    }
    for trio in Trio::all(sweep)? {
        say!("two stages: {}  {}", trio.name(), if trio.scores()?.is_some() { "done" } else { "to do" });
    }
    Ok(())
}

/// The name of an experiment, for its files, and the experiment.
pub fn read(given: &str) -> Result<(String, Spec)> {
    let path = PathBuf::from(given);
    if !path.is_file() {
        return Ok((given.to_owned(), Spec::parse(builtin(given)?)?));
    }
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let spec = Spec::parse(&text).map_err(|e| match e {
        Error::Config(message) => Error::Config(format!("{given}: {message}")),
        other => other,
    })?;
    let name = path.file_stem().map_or_else(|| "experiment".into(), |s| s.to_string_lossy().into_owned());
    Ok((name, spec))
}

fn run(context: &Arc<Context>, kernels: &Kernels, sweep: &Sweep, shard: Shard) -> Result<usize> {
    let (mut failed, all) = (0, sweep.cells.len());
    sweep.run(
        context,
        shard,
        |index, cell| {
            say!("{}/{all}  {}", index + 1, cell.name());
            kernels.before_training(context, &cell.config)
        },
        |_, event| match event {
            Event::Trained(Ok(outcome)) => {
                say!(
                    "  {} after {} steps, {:.0} s",
                    headline(&outcome.scores),
                    outcome.steps,
                    outcome.seconds
                )
            }
            Event::Trained(Err(Error::Busy(_))) => say!("  left to the process that is training it"),
            Event::Trained(Err(error)) => {
                failed += 1;
                eprintln!("  failed: {error}");
            }
            Event::Again(again, Ok(scores)) => say!("  {}: {}", again.label, headline(scores)),
            Event::Again(again, Err(error)) => {
                failed += 1;
                eprintln!("  {} failed: {error}", again.label);
            }
        },
    )?;
    Ok(failed)
}

/// Evaluates stages together whose runs are done; how many failed.
fn run_trios(context: &Arc<Context>, sweep: &Sweep, shard: Shard) -> Result<usize> {
    let mut failed = 0;
    for (index, trio) in Trio::all(sweep)?.into_iter().enumerate() {
        if index % shard.of + 1 != shard.index || trio.scores()?.is_some() {
            continue;
        }
        match trio.run(context) {
            Ok(Some(scores)) => {
                let way = scores.ways.last();
                let dice = way.map_or("nothing".into(), |way| headline(&way.scores));
                say!("two stages: {}: {dice}", trio.name());
            }
            Ok(None) => say!("two stages: {}: left until its runs are done", trio.name()),
            Err(error) => {
                failed += 1;
                eprintln!("two stages: {}: {error}", trio.name());
            }
        }
    }
    Ok(failed)
}

fn headline(scores: &Summary) -> String {
    scores.pooled.macro_foreground.dice.map_or("Dice undefined".into(), |dice| format!("Dice {dice:.4}"))
}

fn write_tables(results: &Results, sweep: &Sweep, name: &str) -> Result<()> {
    let table = Table::of(results);
    fs::create_dir_all(&sweep.out).map_err(Error::io(&sweep.out))?;
    let runs = format!("{name}-runs.csv");
    for (file, text) in [
        (format!("{name}.md"), table.markdown()),
        (format!("{name}.csv"), table.csv()),
        (format!("{name}.tex"), table.latex()),
        (runs, table.runs_csv()),
    ] {
        write_atomic(sweep.out.join(file), text.as_bytes())?;
    }
    let (done, all) = table.done;
    say!("{done} of {all} runs done; {}", sweep.out.join(format!("{name}.md")).display());
    Ok(())
}

fn write_plots(results: &Results, sweep: &Sweep, name: &str) -> Result<()> {
    for plot in &results.spec.plots {
        let Some(picture) = plot.draw(results)? else { continue };
        let path = sweep.out.join(format!("{name}-{}.svg", plot.name));
        write_atomic(&path, picture.svg.as_bytes())?;
        write_atomic(path.with_extension("csv"), picture.csv.as_bytes())?;
        say!("{}", path.display());
    }
    Ok(())
}

/// Tables and curves of what stages come to together.
fn write_stages(sweep: &Sweep, name: &str) -> Result<()> {
    let trios = Trio::all(sweep)?;
    if trios.is_empty() {
        return Ok(());
    }
    let results = StagedResults::of(&trios)?;
    let rows = DataRow::all(sweep)?;
    let stem = format!("{name}-data");
    for (i, row) in rows.iter().enumerate() {
        row.thumbnail.write_png(sweep.out.join(format!("{stem}-{i}.png")))?;
    }
    let text =
        format!("{}\n## Data\n\n{}", results.markdown(&sweep.spec.title), DataRow::markdown(&rows, &stem));
    let path = sweep.out.join(format!("{name}-stages.md"));
    write_atomic(&path, text.as_bytes())?;
    write_atomic(path.with_extension("csv"), results.csv().as_bytes())?;
    say!("{}", path.display());
    let curves = [
        ("figure3", draw_stages(&results, "Dice, mean of pictures", "Dice", |w| w.dice.0)?),
        ("figure4", draw_stages(&results, "Floating-point operations of a picture", "GFLOP", |w| w.gflop)?),
        ("time", draw_stages(&results, "Time of a picture", "ms", |w| w.ms)?),
    ];
    for (figure, svg) in curves {
        let Some(svg) = svg else { continue };
        let path = sweep.out.join(format!("{name}-{figure}.svg"));
        write_atomic(&path, svg.as_bytes())?;
        say!("{}", path.display());
    }
    Ok(())
}

fn write_claims(results: Results, sweep: &Sweep, name: &str) -> Result<()> {
    let claims = Claims::of(&[(name.to_owned(), results)], Correction::default())?;
    if !claims.is_empty() {
        let path = sweep.out.join(format!("{name}-claims.md"));
        write_atomic(&path, claims.markdown().as_bytes())?;
        say!("{}", path.display());
    }
    Ok(())
}

fn write_figures(context: impl Fn() -> Result<Arc<Context>>, sweep: &Sweep, name: &str) -> Result<()> {
    for shown in &sweep.spec.figures {
        let Some(cell) = sweep.cells.iter().find(|cell| cell.labels == shown.cell) else { continue };
        if cell.outcome()?.is_some() {
            let path = sweep.out.join(format!("{name}-{}.png", shown.name));
            // What one figure lacks is no reason to leave out the others.
            match Figure::of(&context()?, cell, shown.pictures).and_then(|f| f.draw().write_png(&path)) {
                Ok(()) => say!("{}", path.display()),
                Err(error) => eprintln!("{}: {error}", path.display()),
            }
        }
    }
    Ok(())
}

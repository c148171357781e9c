//! Two-stage evaluations of trained cells: a baseline, a first stage, and second stages for several grids of patches.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use toml::Table;

use super::{Cell, Spec, Sweep, again::digest};
use crate::{
    Error, Result,
    data::{Dataset, Picture},
    gpu::Context,
    io::{atomic::write_atomic, csv::csv_line},
    train::{
        Setup,
        config::Size,
        two_stage::{TwoStageConfig, TwoStageScores, score},
    },
};

/// Raised whenever the same runs come to other scores, operations or times, so that files of before are not taken for them.
const NUMBERS: u32 = 1;

/// Which cells are stages of which.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwoStageSpec {
    /// The axis whose levels are the networks.
    pub axis: String,
    /// Its level that sees whole pictures.
    pub baseline: String,
    /// Its level that sees pictures made small.
    pub stage1: String,
    /// Its levels that see patches.
    pub stage2: Vec<Stage2>,
}

/// A second stage.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage2 {
    /// The level that sees patches.
    pub level: String,
    /// Keys of [`TwoStageConfig`] but the run folders.
    pub set: Table,
}

/// Whether it names what there is.
pub(super) fn check(spec: &Spec) -> Result<(), String> {
    let Some(two) = &spec.two_stage else { return Ok(()) };
    let axis = spec.axes.iter().find(|axis| axis.name == two.axis);
    let axis = axis.ok_or_else(|| format!("two_stage: there is no axis {:?}", two.axis))?;
    let stages = two.stage2.iter().map(|stage| &stage.level);
    for label in [&two.baseline, &two.stage1].into_iter().chain(stages) {
        if !axis.levels.iter().any(|level| level.label == *label) {
            return Err(format!("two_stage: {:?} has no level {label:?}", two.axis));
        }
    }
    if two.stage2.is_empty() {
        return Err("two_stage: there is no second stage".into());
    }
    two.stage2.iter().try_for_each(|stage| match keys(stage, &Folders::default()) {
        Ok(_) => Ok(()),
        Err(e) => Err(format!("two_stage {}: {e}", stage.level)),
    })
}

/// The three runs.
#[derive(Clone, Debug)]
struct Folders {
    baseline: PathBuf,
    stage1: PathBuf,
    stage2: PathBuf,
}

impl Default for Folders {
    fn default() -> Self {
        let none = || PathBuf::from("-");
        Self { baseline: none(), stage1: none(), stage2: none() }
    }
}

impl Folders {
    fn all(&self) -> [&Path; 3] {
        [&self.baseline, &self.stage1, &self.stage2]
    }
}

fn keys(stage: &Stage2, folders: &Folders) -> Result<TwoStageConfig> {
    let text = toml::to_string(&stage.set).map_err(|e| Error::Config(e.to_string()))?;
    let config = TwoStageConfig::from_toml(&text, &["stage1=-".into(), "stage2=-".into()])?;
    let Folders { baseline, stage1, stage2 } = folders.clone();
    Ok(TwoStageConfig { baseline, stage1, stage2, ..config })
}

/// Three trained cells that are looked at together.
#[derive(Clone, Debug)]
pub struct Trio {
    /// Their levels of the other axes.
    pub labels: Vec<String>,
    /// Their seed.
    pub seed: u64,
    /// Which second stage of the experiment.
    pub which: usize,
    config: TwoStageConfig,
    folders: Folders,
}

/// What an experiment says of stages, and which axis they lie along.
fn axis_of(sweep: &Sweep) -> Option<(&TwoStageSpec, usize)> {
    let two = sweep.spec.two_stage.as_ref()?;
    Some((two, sweep.spec.axes.iter().position(|axis| axis.name == two.axis)?))
}

/// The levels of a cell but that of an axis; where that is the only one, what the experiment is called.
fn others(sweep: &Sweep, cell: &Cell, axis: usize) -> Vec<String> {
    let mut labels = cell.labels.clone();
    labels.remove(axis);
    if labels.is_empty() { vec![sweep.spec.title.clone()] } else { labels }
}

/// What is kept of one, in the folder of its second stage.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Digest of the scores of the three runs: those of other weights do not count.
    of: String,
    scores: TwoStageScores,
}

impl Trio {
    /// All of an experiment that has such.
    ///
    /// # Errors
    /// [`Error::Config`] for keys that make no sense.
    pub fn all(sweep: &Sweep) -> Result<Vec<Self>> {
        let Some((two, at)) = axis_of(sweep) else { return Ok(Vec::new()) };
        let find = |labels: &[String], seed: u64, level: &String| {
            let mut labels = labels.to_vec();
            labels[at].clone_from(level);
            let cell = sweep.cells.iter().find(|cell| cell.labels == labels && cell.seed == seed);
            cell.map(|cell| cell.config.train.out.clone())
        };
        let mut all = Vec::new();
        for cell in sweep.cells.iter().filter(|cell| cell.labels[at] == two.baseline) {
            for (which, stage) in two.stage2.iter().enumerate() {
                let stage1 = find(&cell.labels, cell.seed, &two.stage1);
                let Some((stage1, stage2)) = stage1.zip(find(&cell.labels, cell.seed, &stage.level)) else {
                    continue;
                };
                let folders = Folders { baseline: cell.config.train.out.clone(), stage1, stage2 };
                let labels = others(sweep, cell, at);
                all.push(Self { labels, seed: cell.seed, which, config: keys(stage, &folders)?, folders });
            }
        }
        Ok(all)
    }

    /// In a line.
    pub fn name(&self) -> String {
        let [rows, cols] = [self.config.grid.height, self.config.grid.width];
        format!(
            "{}, {} of {rows}x{cols} patches, seed {}",
            self.labels.join(", "),
            self.config.refined(),
            self.seed
        )
    }

    /// What the three runs' scores are; `None` while one is not done.
    fn of(&self) -> Result<Option<String>> {
        let mut all = Vec::new();
        for folder in self.folders.all() {
            let path = folder.join("scores.json");
            if !path.exists() {
                return Ok(None);
            }
            all.extend(fs::read(&path).map_err(Error::io(&path))?);
        }
        Ok(Some(digest(&all)))
    }

    fn path(&self) -> Result<PathBuf> {
        let text = toml::to_string(&self.config).map_err(|e| Error::Config(e.to_string()))?;
        let name = digest(format!("{NUMBERS}\n{text}").as_bytes());
        Ok(self.folders.stage2.join(format!("two-stage-{name}.json")))
    }

    /// Its scores, if they are of the weights that the runs have now.
    ///
    /// # Errors
    /// [`Error::Data`] if a file cannot be understood, [`Error::Io`] if it cannot be read.
    pub fn scores(&self) -> Result<Option<TwoStageScores>> {
        let path = self.path()?;
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let kept: Kept = serde_json::from_slice(&bytes)
            .map_err(|e| Error::data(&path, format!("{e}; remove it to evaluate the stages again")))?;
        Ok((self.of()? == Some(kept.of)).then_some(kept.scores))
    }

    /// Evaluates it on the test pictures and keeps the scores; `None` while one of the runs is not done.
    ///
    /// # Errors
    /// What the runs, their data or the device raise; [`Error::Io`] where the scores cannot be written.
    pub fn run(&self, context: &Arc<Context>) -> Result<Option<TwoStageScores>> {
        let Some(of) = self.of()? else { return Ok(None) };
        let scores = score(context, &self.config, |split| split.judged().to_vec(), false)?;
        let kept = Kept { of, scores };
        let json = serde_json::to_vec_pretty(&kept).map_err(|e| Error::Check(format!("scores: {e}")))?;
        write_atomic(self.path()?, &json)?;
        Ok(Some(kept.scores))
    }
}

/// The means over seeds of one second stage on one kind of data.
#[derive(Clone, Debug)]
pub struct StagedRow {
    /// How many times smaller stage 1 sees pictures.
    pub factor: usize,
    /// Patches along a column and along a row.
    pub cells: [usize; 2],
    /// How many are refined.
    pub patches: usize,
    /// Of the baseline, of stage 1 and of both stages.
    pub ways: [WayRow; 3],
    /// Seeds.
    pub seeds: usize,
}

/// The means over seeds of a way to predict.
#[derive(Clone, Copy, Debug, Default)]
pub struct WayRow {
    /// Mean Dice of pictures, and its deviation over seeds.
    pub dice: (f64, f64),
    /// Operations of a picture, 10^9.
    pub gflop: f64,
    /// Milliseconds a picture.
    pub ms: f64,
}

/// Everything done of an experiment's two-stage evaluations, by the levels of the other axes.
#[derive(Clone, Debug, Default)]
pub struct StagedResults {
    /// Rows in the order of the second stages.
    pub data: Vec<(String, Vec<StagedRow>)>,
    /// How many evaluations are done, and how many there are.
    pub done: (usize, usize),
}

impl StagedResults {
    /// Reads what is done.
    ///
    /// # Errors
    /// As [`Trio::scores`].
    pub fn of(trios: &[Trio]) -> Result<Self> {
        let mut by_row: BTreeMap<(usize, usize), Vec<TwoStageScores>> = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        let mut done = 0;
        for trio in trios {
            let name = trio.labels.join(", ");
            let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            if let Some(scores) = trio.scores()? {
                done += 1;
                by_row.entry((at, trio.which)).or_default().push(scores);
            }
        }
        let of = |(at, name): (usize, String)| {
            let rows = by_row.iter().filter(|((data, _), _)| *data == at).map(|(_, scores)| row(scores));
            (name, rows.collect::<Vec<_>>())
        };
        let data = names.into_iter().enumerate().map(of).filter(|(_, rows)| !rows.is_empty()).collect();
        Ok(Self { data, done: (done, trios.len()) })
    }

    /// A table for every kind of data.
    pub fn markdown(&self, title: &str) -> String {
        let (done, all) = self.done;
        let mut text = format!("# {title}: two stages\n\n{done} of {all} evaluations done.\n");
        for (name, rows) in &self.data {
            text += &format!(
                "\n## {name}\n\n| patches | Dice: baseline | stage 1 | two stages | GFLOP: baseline | two stages | ratio | \
                 1/factor^2 + patches/all | ms: baseline | stage 1 | two stages | times as fast |\n|{}\n",
                " --- |".repeat(12)
            );
            for row in rows {
                let [baseline, one, two] = &row.ways;
                let dice = |way: &WayRow| match row.seeds {
                    1 => format!("{:.4}", way.dice.0),
                    _ => format!("{:.4} ± {:.4}", way.dice.0, way.dice.1),
                };
                text += &format!(
                    "| {} | {} | {} | {} | {:.3} | {:.3} | {:.4} | {:.4} | {:.1} | {:.1} | {:.1} | {:.2} |\n",
                    row.label(),
                    dice(baseline),
                    dice(one),
                    dice(two),
                    baseline.gflop,
                    two.gflop,
                    two.gflop / baseline.gflop,
                    row.expected(),
                    baseline.ms,
                    one.ms,
                    two.ms,
                    baseline.ms / two.ms
                );
            }
        }
        text
    }

    /// The same numbers, a line for each way of each row.
    pub fn csv(&self) -> String {
        let header = ["data", "rows", "columns", "patches", "way", "dice", "dice_sd", "gflop", "ms", "seeds"];
        let mut text = csv_line(header.map(str::to_owned));
        for (name, rows) in &self.data {
            for row in rows {
                for (way, v) in ["baseline", "stage 1", "two stages"].iter().zip(&row.ways) {
                    let numbers = [v.dice.0, v.dice.1, v.gflop, v.ms].map(|n| n.to_string());
                    let [rows, columns] = row.cells.map(|cells| cells.to_string());
                    let head = [name.clone(), rows, columns, row.patches.to_string(), (*way).to_owned()];
                    text += &csv_line(head.into_iter().chain(numbers).chain([row.seeds.to_string()]));
                }
            }
        }
        text
    }
}

impl StagedRow {
    /// The operations of both stages as a part of the baseline's, by the arithmetic of the paper.
    pub fn expected(&self) -> f64 {
        1.0 / (self.factor * self.factor) as f64 + self.patches as f64 / self.all() as f64
    }

    /// How many of how many patches.
    pub fn label(&self) -> String {
        format!("{} of {}", self.patches, self.all())
    }

    fn all(&self) -> usize {
        self.cells[0] * self.cells[1]
    }
}

fn row(scores: &[TwoStageScores]) -> StagedRow {
    let n = scores.len() as f64;
    let way = |name: &str| {
        let ways: Vec<_> = scores.iter().flat_map(|s| &s.ways).filter(|way| way.name == name).collect();
        let mean = |of: &dyn Fn(usize) -> f64| (0..ways.len()).map(of).sum::<f64>() / n;
        let dice = |i: usize| ways[i].scores.per_image_mean.macro_foreground.dice.unwrap_or(f64::NAN);
        let middle = mean(&dice);
        let squares: f64 = (0..ways.len()).map(|i| (dice(i) - middle).powi(2)).sum();
        let deviation = if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        WayRow {
            dice: (middle, deviation),
            gflop: mean(&|i| ways[i].flops as f64 * 1e-9),
            ms: mean(&|i| ways[i].ms),
        }
    };
    let first = &scores[0];
    let ways = ["baseline", "stage 1", "two stages"].map(way);
    let TwoStageScores { factor, cells, patches, .. } = *first;
    StagedRow { factor, cells, patches, ways, seeds: scores.len() }
}

/// One kind of data in the table of the paper's data sets.
pub struct DataRow {
    /// The levels of the other axes.
    pub name: String,
    /// Pictures.
    pub pictures: usize,
    /// Mean height and width.
    pub size: [f64; 2],
    /// The side that they are resized to.
    pub side: Size,
    /// Share of the pixels that are not background.
    pub foreground: f64,
    /// The first picture for testing, small.
    pub thumbnail: Picture,
}

impl DataRow {
    /// A row for each kind of data, from the cells of the baseline.
    ///
    /// # Errors
    /// What opening and reading the pictures raises.
    pub fn all(sweep: &Sweep) -> Result<Vec<Self>> {
        let Some((two, at)) = axis_of(sweep) else { return Ok(Vec::new()) };
        let mut all: Vec<Self> = Vec::new();
        for cell in sweep.cells.iter().filter(|cell| cell.labels[at] == two.baseline) {
            let name = others(sweep, cell, at).join(", ");
            if all.iter().all(|row| row.name != name) {
                all.push(Self::of(name, cell)?);
            }
        }
        Ok(all)
    }

    fn of(name: String, cell: &Cell) -> Result<Self> {
        let mut config = cell.config.clone();
        config.data.resize = Size { height: 0, width: 0 };
        let data = Setup::new(&config)?.open_data(&config)?;
        let dataset: &dyn Dataset = &*data.dataset;
        let n = dataset.len();
        let (mut size, mut inside, mut pixels) = ([0.0; 2], 0usize, 0usize);
        for i in 0..n {
            let mask = dataset.load(i)?.mask;
            size = [size[0] + mask.height as f64, size[1] + mask.width as f64];
            inside += mask.data.iter().filter(|class| **class > 0).count();
            pixels += mask.data.len();
        }
        let shown = dataset.load(data.split.judged().first().copied().unwrap_or_default())?.picture;
        let (w, h) = (shown.width, shown.height);
        Ok(Self {
            name,
            pictures: n,
            size: size.map(|sum| sum / n.max(1) as f64),
            side: cell.config.data.size,
            foreground: inside as f64 / pixels.max(1) as f64,
            thumbnail: shown.resize((128 * w / h.max(1)).max(1), 128)?,
        })
    }

    /// The table; thumbnails are called `<stem>-<number>.png`.
    pub fn markdown(rows: &[Self], stem: &str) -> String {
        let mut text = "| data | N | average size | side | % foreground | example |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
        for (i, row) in rows.iter().enumerate() {
            let Size { height, width } = row.side;
            let side = if height == width { height.to_string() } else { format!("{height}x{width}") };
            text += &format!(
                "| {} | {} | {:.0}x{:.0} | {side} | {:.1} | ![{}]({stem}-{i}.png) |\n",
                row.name,
                row.pictures,
                row.size[0],
                row.size[1],
                100.0 * row.foreground,
                row.name
            );
        }
        text
    }
}

#[cfg(test)]
mod tests;

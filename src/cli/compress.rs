//! What compressed models are compared by: bytes of their weights, Dice, milliseconds a picture.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::Args;
use serde::Serialize;

use super::{Precision, print_json, run::Part, say};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Shape},
    infer::{Looks, Predictor},
    io::atomic::write_atomic,
    metrics::Times,
    train::{Data, Evaluation, Setup, Shown, config::Config, predictor, weight_bytes},
};

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Part of the data that both are scored on.
    #[arg(long, value_enum, default_value = "test")]
    split: Part,
    /// Predictions of one picture of which the median is the time.
    #[arg(long, default_value_t = 9)]
    runs: usize,
    /// How activations are stored that are not integers.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// A model in a file.
pub struct Candidate<'a> {
    /// What it is called in the report.
    pub name: String,
    /// What its pictures and weights are.
    pub setup: &'a Setup,
    /// Its weights.
    pub file: PathBuf,
    /// Share of the weights that are zero, where that is the point.
    pub zeros: Option<f64>,
}

/// A line of a report.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which model.
    pub model: String,
    /// Bytes of weights and statistics in the file.
    pub bytes: u64,
    /// Trained numbers of the network.
    pub parameters: usize,
    /// Share of its weights that are zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zeros: Option<f64>,
    /// Of the foreground, all pictures pooled.
    pub dice: Option<f64>,
    /// Median time from numbers on the host to probabilities on the host, for one picture or tile.
    pub ms: f64,
}

/// Models side by side, on one device, in one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The device.
    pub device: String,
    /// Its driver.
    pub driver: String,
    /// Part of the data.
    pub split: String,
    /// How many pictures.
    pub pictures: usize,
    /// Height and width of what the network sees.
    pub size: [usize; 2],
    /// The models.
    pub rows: Vec<Row>,
}

impl CompareArgs {
    /// Whether JSON is printed, and nothing beside it.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Refuses a part of the data without pictures, before anything is written.
    ///
    /// # Errors
    /// [`Error::Config`] naming it.
    pub fn check(&self, data: &Data) -> Result<()> {
        self.split.of(data).map(drop)
    }

    /// Scores and times models of one data set.
    ///
    /// # Errors
    /// [`Error::Config`] if the part of the data is empty; what files, data or device raise.
    pub fn compare(
        &self,
        context: &Arc<Context>,
        config: &Config,
        data: &Data,
        candidates: &[Candidate<'_>],
    ) -> Result<Report> {
        let items = self.split.of(data)?;
        let open = |c: &Candidate<'_>| {
            Ok(predictor(context, c.setup, &c.file)?.mixed(self.precision == Precision::Mixed))
        };
        let mut timed = candidates.iter().map(open).collect::<Result<Vec<Predictor>>>()?;
        let times = times(&mut timed, self.runs.max(1))?;
        let mut rows = Vec::new();
        for (candidate, ms) in candidates.iter().zip(times) {
            let (setup, dataset, shown) = (candidate.setup, &*data.dataset, Shown::default());
            let (looks, thorough) = (Looks::default(), false);
            let evaluation = Evaluation { config, setup, dataset, shown, looks, thorough };
            let summary = evaluation.of(vec![open(candidate)?], &items)?.summary;
            rows.push(Row {
                model: candidate.name.clone(),
                bytes: weight_bytes(&candidate.file)?,
                parameters: parameters(setup)?,
                zeros: candidate.zeros,
                dice: summary.pooled.macro_foreground.dice,
                ms,
            });
        }
        let info = &context.info;
        Ok(Report {
            device: info.name.clone(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            split: format!("{:?}", self.split).to_lowercase(),
            pictures: items.len(),
            size: candidates.first().map_or([0; 2], |c| c.setup.size),
            rows,
        })
    }

    /// Prints a report and writes it as `<stem>.json` and `<stem>.md`.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be written.
    pub fn tell(&self, report: &Report, stem: &Path) -> Result<()> {
        if self.json {
            print_json(report)?;
        } else {
            say!("{}", report.markdown().trim_end());
        }
        let json = serde_json::to_vec_pretty(report).map_err(|e| Error::Check(format!("report: {e}")))?;
        write_atomic(stem.with_extension("json"), &json)?;
        write_atomic(stem.with_extension("md"), report.markdown().as_bytes())
    }
}

impl Report {
    /// As a table.
    pub fn markdown(&self) -> String {
        let [h, w] = self.size;
        let mut text = format!(
            "{} pictures ({}) seen at {h}x{w}; {} ({})\n\n\
             | model | bytes | parameters | Dice | ms a picture |\n| --- | --- | --- | --- | --- |\n",
            self.pictures, self.split, self.device, self.driver
        );
        for row in &self.rows {
            let zeros = row.zeros.map_or(String::new(), |share| format!(", {:.1} % zero", 100.0 * share));
            let dice = row.dice.map_or("--".to_owned(), |v| format!("{v:.4}"));
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {}{zeros} | {} | {} | {dice} | {:.2} |",
                row.model, row.bytes, row.parameters, row.ms
            );
        }
        text
    }
}

/// What is written never replaces the weights that it is made of.
///
/// # Errors
/// [`Error::Config`] if the two are one file.
pub fn spare(weights: &Path, out: &Path) -> Result<()> {
    let same = matches!((weights.canonicalize(), out.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if same {
        return Err(Error::Config(format!("{} is what is read; give another file", out.display())));
    }
    Ok(())
}

/// Trained numbers of a network.
pub fn parameters(setup: &Setup) -> Result<usize> {
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(1, setup.size[0], setup.size[1], setup.model.in_channels));
    setup.model.build(&mut graph, x, false)?;
    Ok(graph.parameter_count())
}

/// The median milliseconds of each for one picture; they take turns, so that a busy machine slows all alike.
fn times(predictors: &mut [Predictor], runs: usize) -> Result<Vec<f64>> {
    let mut times = vec![Vec::new(); predictors.len()];
    for run in 0..=runs {
        for (predictor, times) in predictors.iter_mut().zip(&mut times) {
            let count = predictor.size()[0] * predictor.size()[1] * predictor.model().in_channels;
            let picture: Vec<f32> = (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
            let began = Instant::now();
            predictor.predict(&picture, 1)?;
            // The first makes the plan and compiles the kernels.
            if run > 0 {
                times.push(1e3 * began.elapsed().as_secs_f64());
            }
        }
    }
    Ok(times.into_iter().map(|times| Times::of(times).median).collect())
}

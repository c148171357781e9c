//! Scores of an experiment summed up over its seeds: as Markdown, CSV and LaTeX.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Sweep;
use crate::{
    Result,
    io::csv::{csv_line, csv_number},
    metrics::Summary,
};

/// A score that tables show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Dice of the foreground, all pictures pooled.
    Dice,
    /// Mean of the pictures' Dice.
    DiceImages,
    /// Intersection over union, pooled.
    Iou,
    /// Precision, pooled.
    Precision,
    /// Recall, pooled.
    Recall,
    /// Specificity, pooled.
    Specificity,
    /// Share of the pixels that are right.
    Accuracy,
    /// Area under the ROC curve of the probabilities.
    Auc,
    /// The same of the thresholded masks: balanced accuracy.
    AucBinary,
    /// Cohen's kappa.
    Kappa,
    /// Mean of the pictures' 95th percentiles of surface distance, pixels.
    Hd95,
}

impl Column {
    /// What stands above it.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Dice => "Dice",
            Self::DiceImages => "Dice (mean of pictures)",
            Self::Iou => "IoU",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Specificity => "specificity",
            Self::Accuracy => "accuracy",
            Self::Auc => "AUC",
            Self::AucBinary => "AUC of masks",
            Self::Kappa => "kappa",
            Self::Hd95 => "HD95",
        }
    }

    /// The score; `None` where it is undefined.
    pub fn of(self, summary: &Summary) -> Option<f64> {
        let pooled = &summary.pooled;
        match self {
            Self::Dice => pooled.macro_foreground.dice,
            Self::DiceImages => summary.per_image_mean.macro_foreground.dice,
            Self::Iou => pooled.macro_foreground.iou,
            Self::Precision => pooled.macro_foreground.precision,
            Self::Recall => pooled.macro_foreground.recall,
            Self::Specificity => pooled.macro_foreground.specificity,
            Self::Accuracy => pooled.accuracy,
            Self::Auc => summary.auc,
            Self::AucBinary => pooled.balanced_accuracy,
            Self::Kappa => pooled.kappa,
            Self::Hd95 => summary.surface.as_ref().and_then(|s| s.hd95),
        }
    }
}

/// A score over the seeds of a combination.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    mean: f64,
    /// Standard deviation over the seeds (n - 1); `None` for one.
    deviation: Option<f64>,
    median: f64,
    n: usize,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Self { mean, deviation, median: 0.5 * (values[(n - 1) / 2] + values[n / 2]), n })
    }
}

struct Line {
    labels: Vec<String>,
    scores: Vec<Option<Spread>>,
    published: BTreeMap<Column, f64>,
    /// Seeds that are done.
    runs: usize,
}

/// The table of an experiment as far as it is done.
pub struct Table {
    title: String,
    axes: Vec<String>,
    columns: Vec<Column>,
    lines: Vec<Line>,
    /// Every run: labels, seed, folder, steps and scores.
    runs: Vec<Vec<String>>,
    /// Runs that are done, and all.
    pub done: (usize, usize),
}

impl Table {
    /// Reads the scores of all cells that are done.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if those of a cell cannot be understood.
    pub fn of(sweep: &Sweep) -> Result<Self> {
        let spec = &sweep.spec;
        let (mut lines, mut runs): (Vec<Line>, Vec<Vec<String>>) = Default::default();
        for group in sweep.cells.chunk_by(|a, b| a.labels == b.labels) {
            let mut summaries = Vec::new();
            for cell in group {
                let Some(outcome) = cell.outcome()? else { continue };
                let folder = cell.config.train.out.file_name().unwrap_or_default().to_string_lossy();
                let mut run = cell.labels.clone();
                run.extend([cell.seed.to_string(), folder.into_owned(), outcome.steps.to_string()]);
                run.extend(spec.columns.iter().map(|c| csv_number(c.of(&outcome.scores))));
                runs.push(run);
                summaries.push(outcome.scores);
            }
            let spread =
                |column: &Column| Spread::of(summaries.iter().filter_map(|s| column.of(s)).collect());
            let labels = group[0].labels.clone();
            let published = spec.published.iter().find(|p| p.cell == labels);
            let published = published.map(|p| p.scores.clone()).unwrap_or_default();
            let scores = spec.columns.iter().map(spread).collect();
            lines.push(Line { scores, labels, published, runs: summaries.len() });
        }
        Ok(Self {
            title: spec.title.clone(),
            axes: spec.axes.iter().map(|axis| axis.name.clone()).collect(),
            columns: spec.columns.clone(),
            lines,
            done: (runs.len(), sweep.cells.len()),
            runs,
        })
    }

    /// Mean and deviation over the seeds, and the published numbers in brackets.
    pub fn markdown(&self) -> String {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("# {}\n\n", self.title);
        if self.done.0 < self.done.1 {
            text += &format!("{} of {} runs are done.\n\n", self.done.0, self.done.1);
        }
        let headings: Vec<String> = self.columns.iter().map(|c| c.heading().to_owned()).collect();
        text += &row([self.axes.clone(), vec!["runs".into()], headings].concat());
        text += &row(vec!["---".into(); self.axes.len() + 1 + self.columns.len()]);
        for line in &self.lines {
            let cells = self.cells(line, |s| match s.deviation {
                Some(deviation) => format!("{:.3} ± {deviation:.3}", s.mean),
                None => format!("{:.3}", s.mean),
            });
            text += &row([line.labels.clone(), vec![line.runs.to_string()], cells].concat());
        }
        text + "\nMean ± standard deviation over seeds; published numbers in brackets.\n"
    }

    /// A `tabular` of LaTeX with the same scores.
    pub fn latex(&self) -> String {
        let row = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
        let headings = self.axes.iter().map(String::as_str).chain(self.columns.iter().map(|c| c.heading()));
        let mut text = format!(
            "\\begin{{tabular}}{{{}{}}}\n\\hline\n",
            "l".repeat(self.axes.len()),
            "r".repeat(self.columns.len())
        );
        text += &row(headings.map(tex).collect());
        text += "\\hline\n";
        for line in &self.lines {
            let cells = self.cells(line, |s| match s.deviation {
                Some(deviation) => format!("${:.3} \\pm {deviation:.3}$", s.mean),
                None => format!("${:.3}$", s.mean),
            });
            text += &row(line.labels.iter().map(|label| tex(label)).chain(cells).collect());
        }
        text + "\\hline\n\\end{tabular}\n"
    }

    fn cells(&self, line: &Line, show: impl Fn(&Spread) -> String) -> Vec<String> {
        let cell = |(column, score): (&Column, &Option<Spread>)| {
            let ours = score.as_ref().map_or_else(|| "–".to_owned(), &show);
            line.published.get(column).map_or(ours.clone(), |theirs| format!("{ours} ({theirs:.2})"))
        };
        self.columns.iter().zip(&line.scores).map(cell).collect()
    }

    /// A row a combination: mean, deviation, median, number of seeds, and the published number, of every column.
    pub fn csv(&self) -> String {
        let key = |column: &Column| column.heading().replace([' ', '('], "_").replace(')', "");
        let names = self.columns.iter().flat_map(|column| {
            ["mean", "sd", "median", "n", "published"].map(|what| format!("{}_{what}", key(column)))
        });
        let mut text = csv_line(self.axes.iter().cloned().chain(names));
        for line in &self.lines {
            let numbers = self.columns.iter().zip(&line.scores).flat_map(|(column, s)| {
                [
                    csv_number(s.map(|s| s.mean)),
                    csv_number(s.and_then(|s| s.deviation)),
                    csv_number(s.map(|s| s.median)),
                    s.map_or(0, |s| s.n).to_string(),
                    csv_number(line.published.get(column).copied()),
                ]
            });
            text += &csv_line(line.labels.iter().cloned().chain(numbers));
        }
        text
    }

    /// A row a run.
    pub fn runs_csv(&self) -> String {
        let names = ["seed", "cell", "steps"].map(str::to_owned).into_iter();
        let columns = self.columns.iter().map(|c| c.heading().to_owned());
        let head = csv_line(self.axes.iter().cloned().chain(names).chain(columns));
        head + &self.runs.iter().map(|run| csv_line(run.iter().cloned())).collect::<String>()
    }
}

fn tex(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        if "&%$#_{}".contains(c) {
            all.push('\\');
        }
        all.push(c);
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let line = |label: &str, dice: Vec<f64>, published: &[(Column, f64)]| Line {
            labels: vec![label.into()],
            scores: vec![Spread::of(dice), None],
            published: published.iter().copied().collect(),
            runs: 3,
        };
        Table {
            title: "T".into(),
            axes: vec!["loss".into()],
            columns: vec![Column::Dice, Column::Auc],
            lines: vec![
                line("a, b", vec![0.5, 0.9, 0.7], &[(Column::Dice, 0.75)]),
                line("c_d", vec![0.25], &[]),
            ],
            runs: vec![],
            done: (4, 6),
        }
    }

    #[test]
    fn spreads() {
        let s = Spread::of(vec![0.5, 0.9, 0.7]).unwrap();
        assert!((s.mean - 0.7).abs() < 1e-12 && (s.deviation.unwrap() - 0.2).abs() < 1e-12);
        assert_eq!((s.median, s.n), (0.7, 3));
        assert_eq!(Spread::of(vec![1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn tables_say_the_same_in_three_forms() {
        let table = table();
        let markdown = table.markdown();
        assert!(markdown.contains("| a, b | 3 | 0.700 ± 0.200 (0.75) | – |"), "{markdown}");
        assert!(markdown.contains("4 of 6 runs"));
        assert!(table.latex().contains("a, b & $0.700 \\pm 0.200$ (0.75) & – \\\\"));
        assert!(table.latex().contains("c\\_d & $0.250$"));
        let csv = table.csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert!(lines[0].starts_with("loss,Dice_mean,Dice_sd,Dice_median,Dice_n,Dice_published,AUC_mean"));
        assert_eq!(lines[1], "\"a, b\",0.700000,0.200000,0.700000,3,0.750000,,,,0,");
        assert_eq!(lines[2], "c_d,0.250000,,0.250000,1,,,,,0,");
    }
}

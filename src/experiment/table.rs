//! Scores of an experiment summed up over its seeds: as Markdown, CSV and LaTeX.

use std::collections::BTreeMap;

use super::{Column, Results, Seen, Spec, Which};
use crate::io::csv::{csv_line, csv_number};

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
    /// What stands above the labels.
    axes: Vec<String>,
    columns: Vec<(Column, String)>,
    lines: Vec<Line>,
    /// Every run: labels, seed, folder, steps and scores.
    runs: Vec<Vec<String>>,
    /// Runs that are done, and all.
    pub done: (usize, usize),
}

impl Table {
    /// Sums up.
    pub fn of(results: &Results) -> Self {
        let spec = &results.spec;
        // How runs are evaluated is told only where there are several ways.
        let several = !spec.again.is_empty();
        let labels = |labels: &[String], which: Which| {
            let again = several.then(|| results.label_of(which).to_owned());
            labels.iter().cloned().chain(again).collect::<Vec<_>>()
        };
        let line = |(row, which): &(Vec<String>, Which)| {
            let of_row = |seen: &&Seen| seen.which == *which && seen.labels == *row;
            let seen: Vec<&Seen> = results.seen.iter().filter(of_row).collect();
            let spread = |c: &Column| Spread::of(seen.iter().filter_map(|s| s.score(*c)).collect());
            Line {
                scores: spec.columns.iter().map(spread).collect(),
                labels: labels(row, *which),
                published: published(results, row, *which),
                runs: seen.len(),
            }
        };
        let run = |seen: &Seen| {
            let fixed = [seen.seed.to_string(), seen.folder.clone(), seen.steps.to_string()];
            let scores = spec.columns.iter().map(|c| csv_number(seen.score(*c)));
            labels(&seen.labels, seen.which).into_iter().chain(fixed).chain(scores).collect()
        };
        let axes = spec.axes.iter().map(|axis| axis.name.clone());
        Self {
            title: spec.title.clone(),
            axes: axes.chain(several.then(|| spec.again_name.clone())).collect(),
            columns: columns(spec),
            lines: results.rows.iter().map(line).collect(),
            runs: results.seen.iter().map(run).collect(),
            done: results.done,
        }
    }

    /// Mean and deviation over the seeds, and the published numbers in brackets.
    pub fn markdown(&self) -> String {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = format!("# {}\n\n", self.title);
        if self.done.0 < self.done.1 {
            text += &format!("{} of {} runs are done.\n\n", self.done.0, self.done.1);
        }
        let headings: Vec<String> = self.columns.iter().map(|(_, heading)| heading.clone()).collect();
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
        let headings = self
            .axes
            .iter()
            .map(String::as_str)
            .chain(self.columns.iter().map(|(_, heading)| heading.as_str()));
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
        let cell = |((column, _), score): (&(Column, String), &Option<Spread>)| {
            let ours = score.as_ref().map_or_else(|| "–".to_owned(), &show);
            line.published.get(column).map_or(ours.clone(), |theirs| format!("{ours} ({theirs:.2})"))
        };
        self.columns.iter().zip(&line.scores).map(cell).collect()
    }

    /// A row a combination: mean, deviation, median, number of seeds, and the published number, of every column.
    pub fn csv(&self) -> String {
        let key = |heading: &str| heading.replace([' ', '('], "_").replace([')', ','], "");
        let names = self.columns.iter().flat_map(|(_, heading)| {
            ["mean", "sd", "median", "n", "published"].map(|what| format!("{}_{what}", key(heading)))
        });
        let mut text = csv_line(self.axes.iter().cloned().chain(names));
        for line in &self.lines {
            let numbers = self.columns.iter().zip(&line.scores).flat_map(|((column, _), s)| {
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
        let columns = self.columns.iter().map(|(_, heading)| heading.clone());
        let head = csv_line(self.axes.iter().cloned().chain(names).chain(columns));
        head + &self.runs.iter().map(|run| csv_line(run.iter().cloned())).collect::<String>()
    }
}

fn columns(spec: &Spec) -> Vec<(Column, String)> {
    spec.columns.iter().map(|column| (*column, column.heading(&spec.classes))).collect()
}

fn published(results: &Results, row: &[String], which: Which) -> BTreeMap<Column, f64> {
    let is_own = matches!(which, Which::AsTrained | Which::Anyhow);
    let same_way = |again: &Option<String>| match again {
        Some(again) => !is_own && again == results.label_of(which),
        None => is_own,
    };
    let found = results.spec.published.iter().find(|p| p.cell == row && same_way(&p.again));
    found.map(|p| p.scores.clone()).unwrap_or_default()
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
    use crate::experiment::Score;

    fn table() -> Table {
        let line = |label: &str, dice: Vec<f64>, published: &[(Score, f64)]| Line {
            labels: vec![label.into()],
            scores: vec![Spread::of(dice), None],
            published: published.iter().map(|(score, v)| ((*score).into(), *v)).collect(),
            runs: 3,
        };
        Table {
            title: "T".into(),
            axes: vec!["loss".into()],
            columns: vec![(Score::Dice.into(), "Dice".into()), (Score::Auc.into(), "AUC".into())],
            lines: vec![
                line("a, b", vec![0.5, 0.9, 0.7], &[(Score::Dice, 0.75)]),
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

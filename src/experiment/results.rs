//! All scores of an experiment as far as it is done, and means over parts of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Column, Spec, Sweep};
use crate::{
    Result,
    metrics::{Correction, Summary, TTest, mean},
    train::Footprint,
};

/// How a cell was evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// As training ended.
    AsTrained,
    /// As training ended, where nothing else would come to other scores: none of the other ways are for this cell.
    Anyhow,
    /// In one of the experiment's other ways.
    Again(usize),
}

/// The scores of a run.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its level of each axis.
    pub labels: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// How it was evaluated.
    pub which: Which,
    /// Name of its folder.
    pub folder: String,
    /// Optimiser steps of its training.
    pub steps: u64,
    /// What it came to.
    pub scores: Summary,
    /// What the model takes, where it was measured.
    pub footprint: Option<Footprint>,
}

impl Seen {
    /// A score; `None` where it is undefined.
    pub fn score(&self, column: Column) -> Option<f64> {
        column.of(&self.scores, self.footprint.as_ref())
    }
}

/// What scores vary over, but for the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// An axis of the experiment.
    Axis(usize),
    /// The ways to evaluate.
    Again,
    /// The classes.
    Class,
}

impl Dimension {
    /// Names that are no axes.
    pub const RESERVED: [&str; 2] = ["again", "class"];
    /// Words that stand for some of the levels: the one or half of them with the largest or least values.
    pub const WORDS: [&str; 4] = ["highest", "lowest", "upper", "lower"];

    /// The dimension of a name.
    ///
    /// # Errors
    /// If the experiment has none of this name, with those it has.
    pub fn named(spec: &Spec, name: &str) -> Result<Self, String> {
        if let Some(axis) = spec.axes.iter().position(|axis| axis.name == name) {
            return Ok(Self::Axis(axis));
        }
        match name {
            "again" => Ok(Self::Again),
            "class" => Ok(Self::Class),
            _ => {
                let axes: Vec<&str> = spec.axes.iter().map(|axis| axis.name.as_str()).collect();
                Err(format!("{name:?} is no axis; there are {}, again and class", axes.join(", ")))
            }
        }
    }

    /// What stands beside it.
    pub fn heading(self, spec: &Spec) -> &str {
        match self {
            Self::Axis(axis) => spec.axes.get(axis).map_or("", |axis| &axis.name),
            Self::Again => &spec.again_name,
            Self::Class => "class",
        }
    }
}

/// A level of a dimension.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// What it is called.
    pub label: String,
    /// Where it lies; of a class its number.
    pub value: Option<f64>,
    /// Which level, or class, it is.
    pub index: usize,
}

/// A score, and which of the runs' are meant.
#[derive(Clone, Debug)]
pub struct Query {
    /// The score.
    pub column: Column,
    /// By axis the levels that are meant; none: all.
    axes: Vec<Option<Vec<String>>>,
    /// The ways to evaluate that are meant; none: all but as training ended.
    again: Option<Vec<String>>,
}

impl Query {
    /// Only this level of a dimension; `None` for a class of a score that has none.
    pub fn at(&self, dimension: Dimension, place: &Place) -> Option<Self> {
        let mut query = self.clone();
        let only = Some(vec![place.label.clone()]);
        match dimension {
            Dimension::Axis(axis) => *query.axes.get_mut(axis)? = only,
            Dimension::Again => query.again = only,
            Dimension::Class => query.column = query.column.of_the(place.index)?,
        }
        Some(query)
    }

    fn names(&self, dimension: Dimension, label: &str) -> bool {
        let wanted = match dimension {
            Dimension::Axis(axis) => self.axes.get(axis).and_then(Option::as_ref),
            Dimension::Again => self.again.as_ref(),
            Dimension::Class => None,
        };
        wanted.is_none_or(|wanted| wanted.iter().any(|l| l == label))
    }

    fn takes(&self, seen: &Seen, spec: &Spec) -> bool {
        let of_axis = |(axis, label): (usize, &String)| self.names(Dimension::Axis(axis), label);
        let of_again = match (seen.which, &self.again) {
            (Which::Anyhow, _) => true,
            (Which::AsTrained, wanted) => wanted.as_ref().is_some_and(|w| w.contains(&spec.as_trained)),
            (Which::Again(which), _) => self.names(Dimension::Again, &spec.again[which].label),
        };
        of_again && seen.labels.iter().enumerate().all(of_axis)
    }
}

/// Some levels: one label, several, or a word for some of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Labels {
    /// One label or word.
    One(String),
    /// Several labels.
    Several(Vec<String>),
}

impl Labels {
    /// All of them.
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(label) => std::slice::from_ref(label),
            Self::Several(labels) => labels,
        }
    }
}

/// Which of the runs are meant: levels by name of an axis, or `again`.
pub type Where = BTreeMap<String, Labels>;

/// What a t-test takes for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    /// A seed: the mean of all its scores. Only these are independent in every respect.
    #[default]
    Seeds,
    /// A trained run: the mean of its evaluations.
    Runs,
    /// Every evaluation of a run.
    Scores,
}

/// Which t-test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// Of two groups, whose variances may differ.
    #[default]
    Welch,
    /// Of pairs that share seed and levels.
    Paired,
}

/// Samples by what pairs share.
pub type Numbers = BTreeMap<(u64, Vec<String>), f64>;

impl Test {
    /// Tests whether two lists of samples differ in their mean; `None` where that is undefined.
    pub fn of(self, a: &Numbers, b: &Numbers) -> Option<TTest> {
        match self {
            Self::Welch => {
                let values = |of: &Numbers| of.values().copied().collect::<Vec<_>>();
                TTest::welch(&values(a), &values(b))
            }
            Self::Paired => {
                let pairs = a.iter().filter_map(|(key, a)| Some((*a, *b.get(key)?)));
                let (a, b): (Vec<f64>, Vec<f64>) = pairs.unzip();
                TTest::paired(&a, &b)
            }
        }
    }

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Welch => "Welch's t-test",
            Self::Paired => "paired t-test",
        }
    }
}

/// The mean of samples, where there are any.
pub(super) fn mean_of(numbers: &Numbers) -> Option<f64> {
    mean(numbers.values().copied().map(Some))
}

/// Raised p-values of those tests that are defined.
pub(super) fn adjusted(correction: Correction, tests: &[Option<TTest>]) -> Vec<Option<f64>> {
    let p: Vec<f64> = tests.iter().flatten().map(|test| test.p).collect();
    let mut raised = correction.adjust(&p).into_iter();
    tests.iter().map(|test| test.and_then(|_| raised.next())).collect()
}

/// The scores of an experiment as far as it is done.
#[derive(Clone, Debug)]
pub struct Results {
    /// The experiment, as its profile changes it.
    pub spec: Spec,
    /// All rows of its tables: combinations of levels, and how they are evaluated.
    pub rows: Vec<(Vec<String>, Which)>,
    /// What there is, in the order of rows and then seeds.
    pub seen: Vec<Seen>,
    /// Trainings that are done, and all.
    pub done: (usize, usize),
}

impl Results {
    /// Reads the scores of all cells that are done.
    ///
    /// # Errors
    /// [`crate::Error::Data`] if those of a cell cannot be understood.
    pub fn of(sweep: &Sweep) -> Result<Self> {
        let thorough = sweep.is_thorough();
        let (mut rows, mut seen, mut done) = (Vec::new(), Vec::new(), 0);
        for group in sweep.cells.chunk_by(|a, b| a.labels == b.labels) {
            let own = if group[0].again.is_empty() { Which::Anyhow } else { Which::AsTrained };
            let others = group[0].again.iter().map(|again| Which::Again(again.which));
            for (at, which) in [own].into_iter().chain(others).enumerate() {
                rows.push((group[0].labels.clone(), which));
                for cell in group {
                    let Some(outcome) = cell.outcome()? else { continue };
                    let scores = match at.checked_sub(1) {
                        None => Some(outcome.scores),
                        Some(again) => cell.again[again].scores(cell, thorough)?,
                    };
                    let (folder, steps) = (cell.config.train.out.file_name(), outcome.steps);
                    let folder = folder.unwrap_or_default().to_string_lossy().into_owned();
                    let (labels, seed) = (cell.labels.clone(), cell.seed);
                    let footprint = outcome.footprint;
                    seen.extend(scores.map(|scores| Seen {
                        labels,
                        seed,
                        which,
                        folder,
                        steps,
                        scores,
                        footprint,
                    }));
                    done += usize::from(at == 0);
                }
            }
        }
        Ok(Self { spec: sweep.spec.clone(), rows, seen, done: (done, sweep.cells.len()) })
    }

    /// What a way to evaluate is called; nothing where it makes no difference.
    pub fn label_of(&self, which: Which) -> &str {
        match which {
            Which::Anyhow => "–",
            Which::AsTrained => &self.spec.as_trained,
            Which::Again(which) => &self.spec.again[which].label,
        }
    }

    /// The levels of a dimension; of the classes those of the foreground.
    pub fn places(&self, dimension: Dimension) -> Vec<Place> {
        let place = |(index, (label, value))| Place { label, value, index };
        match dimension {
            Dimension::Axis(axis) => {
                let levels = self.spec.axes[axis].levels.iter();
                levels.map(|l| (l.label.clone(), l.value())).enumerate().map(place).collect()
            }
            Dimension::Again => {
                let ways = self.spec.again.iter();
                ways.map(|a| (a.label.clone(), a.value())).enumerate().map(place).collect()
            }
            Dimension::Class => {
                let most = self.seen.iter().map(|seen| seen.scores.pooled.classes.len()).max().unwrap_or(0);
                let class = |index: usize| {
                    let name = self.spec.classes.get(index);
                    let label = name.cloned().unwrap_or_else(|| format!("class {index}"));
                    Place { label, value: Some(index as f64), index }
                };
                (1..most).map(class).collect()
            }
        }
    }

    /// The levels of a dimension that a query leaves.
    pub fn places_of(&self, query: &Query, dimension: Dimension) -> Vec<Place> {
        let mut places = self.places(dimension);
        places.retain(|place| query.names(dimension, &place.label));
        places
    }

    /// A score of the runs that `limits` leaves; `None` if it names levels that this profile lacks.
    ///
    /// # Errors
    /// If it names dimensions that are none.
    pub fn query(&self, column: Column, limits: &Where) -> Result<Option<Query>, String> {
        let mut query = Query { column, axes: vec![None; self.spec.axes.len()], again: None };
        for (name, labels) in limits {
            let dimension = Dimension::named(&self.spec, name)?;
            let places = self.places(dimension);
            let mut chosen = Vec::new();
            for label in labels.all() {
                let as_trained = dimension == Dimension::Again && *label == self.spec.as_trained;
                if as_trained || places.iter().any(|place| place.label == *label) {
                    chosen.push(label.clone());
                } else {
                    chosen.extend(by_word(&places, label));
                }
            }
            if chosen.is_empty() {
                return Ok(None);
            }
            match dimension {
                Dimension::Axis(axis) => query.axes[axis] = Some(chosen),
                Dimension::Again => query.again = Some(chosen),
                Dimension::Class => return Err("name a class with its score, as precision.1".into()),
            }
        }
        Ok(Some(query))
    }

    /// The scores of a query, a mean for every sample; samples that differ in nothing but the axis `apart` are pairs.
    pub fn numbers(&self, query: &Query, samples: Samples, apart: Option<usize>) -> Numbers {
        let mut all: BTreeMap<(u64, Vec<String>), Vec<f64>> = BTreeMap::new();
        for seen in self.seen.iter().filter(|seen| query.takes(seen, &self.spec)) {
            let Some(value) = seen.score(query.column) else { continue };
            let others = seen.labels.iter().enumerate().filter(|(axis, _)| Some(*axis) != apart);
            let mut key: Vec<String> = match samples {
                Samples::Seeds => vec![],
                Samples::Runs | Samples::Scores => others.map(|(_, label)| label.clone()).collect(),
            };
            if samples == Samples::Scores {
                key.push(self.label_of(seen.which).to_owned());
            }
            // What holds for all ways to evaluate is a partner to each.
            if samples == Samples::Scores && seen.which == Which::Anyhow {
                for place in self.places_of(query, Dimension::Again) {
                    key.pop();
                    key.push(place.label);
                    all.entry((seen.seed, key.clone())).or_default().push(value);
                }
                if !self.spec.again.is_empty() {
                    continue;
                }
            }
            all.entry((seen.seed, key)).or_default().push(value);
        }
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
        all.into_iter().map(|(key, values)| (key, mean(values))).collect()
    }
}

/// The levels that a word stands for; none for what is no word.
fn by_word(places: &[Place], word: &str) -> Vec<String> {
    let mut sorted: Vec<(f64, &Place)> =
        places.iter().map(|place| (place.value.unwrap_or(place.index as f64), place)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = places.len().div_ceil(2).min(places.len().saturating_sub(1)).max(1);
    let part = match word {
        "highest" => sorted.len().saturating_sub(1)..sorted.len(),
        "lowest" => 0..sorted.len().min(1),
        "upper" => sorted.len().saturating_sub(half)..sorted.len(),
        "lower" => 0..half.min(sorted.len()),
        _ => 0..0,
    };
    sorted[part].iter().map(|(_, place)| place.label.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Score, testing};

    fn done() -> Results {
        testing::results(testing::spec(""), |model, noise, iterations, seed| {
            let model = if model == "SOM" { 0.1 } else { 0.0 };
            0.8 + model - noise * 1e-3 + iterations.unwrap_or(0.0) * 1e-3 + seed as f64 * 1e-3
        })
    }

    fn limits(pairs: &[(&str, &str)]) -> Where {
        pairs.iter().map(|(name, label)| ((*name).to_owned(), Labels::One((*label).to_owned()))).collect()
    }

    fn accuracy(results: &Results, pairs: &[(&str, &str)], samples: Samples) -> Numbers {
        let query = results.query(Score::Accuracy.into(), &limits(pairs)).unwrap().unwrap();
        results.numbers(&query, samples, Some(0))
    }

    #[test]
    fn means_are_over_what_is_asked_for() {
        let results = done();
        let near = |got: Option<f64>, wanted: f64| {
            assert!((got.unwrap() - wanted).abs() < 2e-5, "{got:?}, {wanted}")
        };
        let one =
            accuracy(&results, &[("model", "SOM"), ("noise", "noise 20"), ("again", "T=20")], Samples::Seeds);
        assert_eq!(one.len(), 5);
        near(one.get(&(3, vec![])).copied(), 0.9 - 0.02 + 0.02 + 0.003);
        // All but the evaluation of training.
        let som = accuracy(&results, &[("model", "SOM"), ("noise", "noise 20")], Samples::Seeds);
        near(mean_of(&som), 0.9 - 0.02 + 0.01 + 0.002);
        let trained =
            accuracy(&results, &[("model", "SOM"), ("noise", "highest"), ("again", "T=5")], Samples::Seeds);
        near(mean_of(&trained), 0.9 - 0.08 + 0.005 + 0.002);
        // What is evaluated once counts at any number of iterations.
        for again in ["T=0", "T=20", "T=5"] {
            let plain = accuracy(
                &results,
                &[("model", "plain"), ("noise", "lowest"), ("again", again)],
                Samples::Seeds,
            );
            near(mean_of(&plain), 0.8 - 0.01 + 0.002);
        }
    }

    #[test]
    fn samples_are_seeds_runs_or_evaluations_and_pair_up() {
        let results = done();
        let count = |model: &str, samples| accuracy(&results, &[("model", model)], samples).len();
        assert_eq!(["plain", "SOM"].map(|m| count(m, Samples::Seeds)), [5, 5]);
        assert_eq!(["plain", "SOM"].map(|m| count(m, Samples::Runs)), [15, 15]);
        assert_eq!(["plain", "SOM"].map(|m| count(m, Samples::Scores)), [30, 30]);
        let of = |model: &str| accuracy(&results, &[("model", model)], Samples::Scores);
        assert!(of("plain").keys().eq(of("SOM").keys()));
        // The pairs differ by their iterations, the groups by noise too.
        let (welch, paired) = [Test::Welch, Test::Paired].map(|t| t.of(&of("SOM"), &of("CRF"))).into();
        assert!(welch.is_some() && paired.is_none_or(|p: TTest| p.t > welch.unwrap().t));
    }

    #[test]
    fn words_stand_for_levels() {
        let results = done();
        let of = |word: &str| by_word(&results.places(Dimension::Axis(1)), word);
        assert_eq!(of("highest"), ["noise 80"]);
        assert_eq!(of("lowest"), ["noise 10"]);
        assert_eq!(of("upper"), ["noise 20", "noise 80"]);
        assert_eq!(of("lower"), ["noise 10", "noise 20"]);
        assert!(of("noise").is_empty());
        assert!(results.query(Score::Iou.into(), &limits(&[("noise", "noise 7")])).unwrap().is_none());
        assert!(results.query(Score::Iou.into(), &limits(&[("rate", "x")])).unwrap_err().contains("noise"));
        let classes = results.places(Dimension::Class);
        assert_eq!(classes.iter().map(|p| p.label.as_str()).collect::<Vec<_>>(), ["vessel", "catheter"]);
    }
}

//! What is said of an experiment's scores, held against them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Column, Dimension, Results, Samples, Spec,
    check::Known,
    results::{Labels, Query, Test, Where, mean_of},
};
use crate::metrics::{Correction, TTest};

/// A claim: that a level scores higher or lower than others, or that its scores rise, fall or stay along a dimension.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// In words.
    pub text: String,
    /// Which requirement asks for it.
    #[serde(default)]
    pub requirement: String,
    /// The score that it is about.
    pub score: Column,
    /// The level or levels that it is about, all of one axis.
    pub of: Labels,
    /// Other levels of that axis, for `expect = "higher"` and `"lower"`.
    #[serde(default)]
    pub than: Vec<String>,
    /// An axis, or `again`, for `expect = "rises"`, `"falls"` and `"steady"`.
    pub along: Option<String>,
    /// What is expected.
    pub expect: Expect,
    /// The largest change that still is steady.
    pub within: Option<f64>,
    /// Which runs are looked at; empty: all.
    #[serde(default, rename = "where")]
    pub limits: Where,
    /// Which test compares levels.
    #[serde(default)]
    pub test: Test,
    /// What is one sample.
    #[serde(default)]
    pub samples: Samples,
}

/// What a claim expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// A larger mean than each of the others.
    Higher,
    /// A smaller mean.
    Lower,
    /// A line through the scores that rises.
    Rises,
    /// One that falls.
    Falls,
    /// One whose ends differ by no more than `within`.
    Steady,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is so, and not by chance, or counted.
    Held,
    /// It is the other way round, and not by chance; or counted, and not so.
    DidNotHold,
    /// What is seen may be chance.
    NotSignificant,
    /// There are no scores yet, or too few, or without spread.
    Untested,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::DidNotHold => "did not hold",
            Self::NotSignificant => "not significant",
            Self::Untested => "not testable",
        }
    }
}

/// P-values above this are no evidence.
pub(super) const LEVEL: f64 = 0.05;

impl Claim {
    pub(super) fn check(&self, spec: &Spec, known: &Known) -> Result<(), String> {
        let first = self.of.all().first().ok_or("of: name a level")?;
        let axis = (0..spec.axes.len()).find(|axis| known.label(*axis, first));
        let axis = axis.ok_or_else(|| format!("there is no level {first:?}"))?;
        if let Some(odd) = self.of.all().iter().chain(&self.than).find(|l| !known.label(axis, l)) {
            return Err(format!("{:?} has no level {odd:?}", spec.axes[axis].name));
        }
        for (name, labels) in &self.limits {
            let dimension = Dimension::named(spec, name)?;
            if let Some(odd) = labels.all().iter().find(|label| !known.level(dimension, label)) {
                return Err(format!("where: {name:?} has no level {odd:?}"));
            }
        }
        let trend = matches!(self.expect, Expect::Rises | Expect::Falls | Expect::Steady);
        match (&self.along, trend) {
            (Some(along), true) => match Dimension::named(spec, along)? {
                Dimension::Class => return Err("along: classes have no order".into()),
                _ if self.samples == Samples::Scores => {
                    return Err("samples = \"scores\": a line goes through several; take \"runs\"".into());
                }
                _ => {}
            },
            (None, false) if !self.than.is_empty() => {}
            (_, true) => return Err("rises, falls and steady need along".into()),
            (_, false) => return Err("higher and lower need than, and not along".into()),
        }
        if trend && !self.than.is_empty() {
            return Err("rises, falls and steady compare with nothing; leave out than".into());
        }
        match (self.expect, self.within) {
            (Expect::Steady, Some(within)) if within > 0.0 => Ok(()),
            (Expect::Steady, _) => Err("steady needs within, the largest change that is none".into()),
            (_, None) => Ok(()),
            (_, Some(_)) => Err("within is for steady alone".into()),
        }
    }

    /// Every comparison that it takes.
    fn compare(&self, results: &Results) -> Result<Vec<Compared>, String> {
        let query = results.query(self.score, &self.limits)?;
        let mut all = Vec::new();
        for of in self.of.all() {
            let others: Vec<Option<&String>> = match &self.along {
                Some(_) => vec![None],
                None => self.than.iter().map(Some).collect(),
            };
            for other in others {
                let (what, along) = match (other, &self.along) {
                    (Some(other), _) => (format!("{of} – {other}"), None),
                    (None, along) => {
                        let along = Dimension::named(&results.spec, along.as_deref().unwrap_or_default())?;
                        (format!("{of} along {}", along.heading(&results.spec)), Some(along))
                    }
                };
                let found = query.as_ref().and_then(|query| match along {
                    Some(along) => self.trend(results, &level(results, query, of)?.1, along),
                    None => self.difference(results, query, of, other?),
                });
                all.push(Compared { what, found, raised: None });
            }
        }
        Ok(all)
    }

    /// A level against another.
    fn difference(&self, results: &Results, query: &Query, of: &str, than: &str) -> Option<Found> {
        let samples = |label: &str| {
            let (axis, query) = level(results, query, label)?;
            Some(results.numbers(&query, self.samples, Some(axis)))
        };
        let (a, b) = (samples(of)?, samples(than)?);
        let effect = mean_of(&a)? - mean_of(&b)?;
        let right = if self.expect == Expect::Higher { effect > 0.0 } else { effect < 0.0 };
        let n = match self.test {
            Test::Welch => format!("{} + {}", a.len(), b.len()),
            Test::Paired => a.keys().filter(|key| b.contains_key(*key)).count().to_string(),
        };
        Some(self.found(effect, right, self.test.of(&a, &b).map(|test| test.p), n))
    }

    /// How far straight lines through the scores of every sample rise from end to end.
    fn trend(&self, results: &Results, query: &Query, along: Dimension) -> Option<Found> {
        let apart = if let Dimension::Axis(axis) = along { Some(axis) } else { None };
        let mut lines: BTreeMap<_, Vec<(f64, f64)>> = BTreeMap::new();
        let places = results.places_of(query, along);
        let at = |index: usize| places[index].value.unwrap_or(index as f64);
        for (index, place) in places.iter().enumerate() {
            for (key, value) in results.numbers(&query.at(along, place)?, self.samples, apart) {
                lines.entry(key).or_default().push((at(index), value));
            }
        }
        let ends = (0..places.len()).map(at).fold([f64::MAX, f64::MIN], |[a, b], x| [a.min(x), b.max(x)]);
        let rises: Vec<f64> =
            lines.values().filter_map(|points| Some(slope(points)? * (ends[1] - ends[0]))).collect();
        let effect = (!rises.is_empty()).then(|| rises.iter().sum::<f64>() / rises.len() as f64)?;
        let (right, p) = match (self.expect, self.within) {
            (Expect::Rises, _) => (effect > 0.0, TTest::against(&rises, 0.0).map(|test| test.p)),
            (Expect::Steady, Some(within)) => (effect.abs() <= within, steady(&rises, effect, within)),
            _ => (effect < 0.0, TTest::against(&rises, 0.0).map(|test| test.p)),
        };
        Some(self.found(effect, right, p, rises.len().to_string()))
    }

    /// What is counted has no p.
    fn found(&self, effect: f64, right: bool, p: Option<f64>, n: String) -> Found {
        let counted = self.score.score.is_counted();
        Found { effect, right, counted, p: p.filter(|_| !counted), n }
    }
}

/// The query at a level, and its axis; `None` where this profile lacks it.
fn level(results: &Results, query: &Query, label: &str) -> Option<(usize, Query)> {
    (0..results.spec.axes.len()).find_map(|axis| {
        let places = results.places(Dimension::Axis(axis));
        let place = places.iter().find(|place| place.label == label)?;
        Some((axis, query.at(Dimension::Axis(axis), place)?))
    })
}

/// Of the line through points by least squares; `None` for points of a single place.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (mut squares, mut products) = (0.0, 0.0);
    for p in points {
        squares += (p.0 - x).powi(2);
        products += (p.0 - x) * (p.1 - y);
    }
    (squares > 0.0).then(|| products / squares)
}

/// The p-value of two one-sided tests (Schuirmann 1987) that the mean change lies within both bounds; where what is
/// seen lies beyond one, of the test that it does.
fn steady(changes: &[f64], effect: f64, within: f64) -> Option<f64> {
    if effect.abs() > within {
        return TTest::against(changes, within.copysign(effect)).map(|test| test.p);
    }
    let above = TTest::against(changes, -within)?.p_greater();
    let turned: Vec<f64> = changes.iter().map(|c| -c).collect();
    Some(above.max(TTest::against(&turned, -within)?.p_greater()))
}

/// What the scores say of one comparison.
#[derive(Clone, Debug)]
struct Found {
    /// Difference of the means, or change from end to end.
    effect: f64,
    /// Whether it is as expected.
    right: bool,
    /// Whether chance has no part in it.
    counted: bool,
    /// Undefined for what is counted, for too few samples, and such as do not spread.
    p: Option<f64>,
    /// How many samples.
    n: String,
}

struct Compared {
    what: String,
    found: Option<Found>,
    /// The p-value, raised for the number of all comparisons.
    raised: Option<f64>,
}

impl Compared {
    fn verdict(&self) -> Verdict {
        match (&self.found, self.raised) {
            (Some(found), _) if found.counted && found.right => Verdict::Held,
            (Some(found), _) if found.counted => Verdict::DidNotHold,
            (Some(found), Some(p)) if p <= LEVEL && found.right => Verdict::Held,
            (Some(_), Some(p)) if p <= LEVEL => Verdict::DidNotHold,
            (Some(_), Some(_)) => Verdict::NotSignificant,
            _ => Verdict::Untested,
        }
    }
}

/// A claim with what the scores say of it.
struct Judged {
    experiment: String,
    claim: Claim,
    /// Above the table: what the score is called.
    score: String,
    compared: Vec<Compared>,
}

impl Judged {
    fn verdict(&self) -> Verdict {
        let each: Vec<Verdict> = self.compared.iter().map(Compared::verdict).collect();
        if each.contains(&Verdict::DidNotHold) {
            return Verdict::DidNotHold;
        }
        if each.iter().all(|v| *v == Verdict::Held) && !each.is_empty() {
            return Verdict::Held;
        }
        let untested = each.iter().all(|v| *v == Verdict::Untested);
        if untested { Verdict::Untested } else { Verdict::NotSignificant }
    }
}

/// The claims of some experiments, held against their scores. P-values are raised for all comparisons together.
pub struct Claims {
    all: Vec<Judged>,
    correction: Correction,
}

impl Claims {
    /// Tests the claims of experiments, each with its name.
    ///
    /// # Errors
    /// [`crate::Error::Config`] for a claim that names what is not there.
    pub fn of(experiments: &[(String, Results)], correction: Correction) -> crate::Result<Self> {
        let mut all = Vec::new();
        for (name, results) in experiments {
            for claim in &results.spec.claims {
                let wrong = |e| crate::Error::Config(format!("{name}: claim {:?}: {e}", claim.text));
                all.push(Judged {
                    experiment: name.clone(),
                    score: claim.score.heading(&results.spec.classes),
                    compared: claim.compare(results).map_err(wrong)?,
                    claim: claim.clone(),
                });
            }
        }
        let mut tested: Vec<(&mut Compared, f64)> = all
            .iter_mut()
            .flat_map(|judged| &mut judged.compared)
            .filter_map(|compared| compared.found.as_ref().and_then(|f| f.p).map(|p| (compared, p)))
            .collect();
        let p: Vec<f64> = tested.iter().map(|(_, p)| *p).collect();
        for ((compared, _), raised) in tested.iter_mut().zip(correction.adjust(&p)) {
            compared.raised = Some(raised);
        }
        Ok(Self { all, correction })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The claims in words with what became of them.
    pub fn verdicts(&self) -> impl Iterator<Item = (&str, Verdict)> {
        self.all.iter().map(|judged| (judged.claim.text.as_str(), judged.verdict()))
    }

    /// A table of all claims, and one of the comparisons of each.
    pub fn markdown(&self) -> String {
        let mut text =
            String::from("# Claims\n\n| | claim | experiment | verdict |\n| --- | --- | --- | --- |\n");
        for (i, judged) in self.all.iter().enumerate() {
            let (claim, verdict) = (&judged.claim.text, judged.verdict().name());
            text += &format!("| {} | {claim} | {} | {verdict} |\n", i + 1, judged.experiment);
        }
        for (i, judged) in self.all.iter().enumerate() {
            text += &section(i + 1, judged);
        }
        let tests = self.all.iter().flat_map(|j| &j.compared).filter(|c| c.raised.is_some()).count();
        text + &format!(
            "\nAn effect is a difference of means, or how far the line through the scores rises from end to end. \
             Two-sided t-tests, but of what is counted; held or not: raised p at most {LEVEL}. P raised for the number of comparisons, {tests}: {}.\n",
            self.correction.name()
        )
    }
}

fn section(number: usize, judged: &Judged) -> String {
    let claim = &judged.claim;
    let asked =
        if claim.requirement.is_empty() { String::new() } else { format!(" [{}]", claim.requirement) };
    let mut limits: Vec<String> =
        claim.limits.iter().map(|(name, labels)| format!("{name}: {}", labels.all().join(", "))).collect();
    limits.push(match claim.samples {
        Samples::Seeds => "a sample a seed".into(),
        Samples::Runs => "a sample a run".into(),
        Samples::Scores => "a sample an evaluation".into(),
    });
    let test = match claim.along {
        _ if claim.score.score.is_counted() => "counted",
        Some(_) => "t-test of the slopes",
        None => claim.test.name(),
    };
    let mut text = format!(
        "\n## {number}. {}{asked}: {}\n\n{}; {}; {test}.\n\n",
        claim.text,
        judged.verdict().name(),
        judged.score,
        limits.join("; ")
    );
    text += "| compared | effect | p | p raised | n | verdict |\n| --- | --- | --- | --- | --- | --- |\n";
    for compared in &judged.compared {
        let number = |p: Option<f64>| p.map_or("–".into(), shown_p);
        let (effect, p, n) = match &compared.found {
            Some(found) => (format!("{:+.4}", found.effect), number(found.p), found.n.clone()),
            None => ("–".into(), "–".into(), "0".into()),
        };
        let (raised, verdict) = (number(compared.raised), compared.verdict().name());
        text += &format!("| {} | {effect} | {p} | {raised} | {n} | {verdict} |\n", compared.what);
    }
    text
}

/// A p-value as it is written.
pub(super) fn shown_p(p: f64) -> String {
    if p >= 1e-3 { format!("{p:.4}") } else { format!("{p:.2e}") }
}

#[cfg(test)]
mod tests;

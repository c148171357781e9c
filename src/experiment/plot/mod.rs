//! Drawings of an experiment's scores: bars, grids of the significantly best, and curves.

mod bars;
mod canvas;
mod grid;
mod lines;
mod stages;

use serde::Deserialize;

use super::{
    Column, Dimension, Results, Samples, Spec,
    check::Known,
    results::{Numbers, Place, Query, Test, Where},
};
use crate::{Error, Result, io::csv::csv_line, metrics::Correction, report::palette::SERIES};
pub use stages::draw_stages;

use canvas::{Anchor, Canvas, Colour, Drawn, FAINT, INK, LINE};

/// A drawing of scores: what is compared has colours, and stands along an axis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plot {
    /// Name of the files, `<name>.svg` and, with the numbers, `<name>.csv`.
    pub name: String,
    /// What stands above it.
    pub title: String,
    /// How it is drawn.
    pub kind: PlotKind,
    /// The axis whose levels are compared.
    pub series: String,
    /// What they are compared along: an axis, `again`, or, in grids, `class`.
    pub along: String,
    /// Of bars: what varies within each place, an axis or `again`.
    pub over: Option<String>,
    /// The scores, a panel or a row each.
    pub scores: Vec<Column>,
    /// Every score of every class of the foreground, too: a row of panels a class.
    #[serde(default)]
    pub each_class: bool,
    /// Which runs are looked at; empty: all.
    #[serde(default, rename = "where")]
    pub limits: Where,
    /// Of bars: one behind the other, the colours blending, instead of side by side.
    #[serde(default)]
    pub overlaid: bool,
    /// What the vertical axis spans; from 0 to 1 or the scores where it is not given.
    pub range: Option<[f64; 2]>,
    /// Of grids: which test compares the best with each of the others.
    #[serde(default)]
    pub test: Test,
    /// Of grids: what is one sample.
    #[serde(default)]
    pub samples: Samples,
    /// Of grids: how the p-values of a square are raised.
    #[serde(default)]
    pub correction: Correction,
}

/// How scores are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlotKind {
    /// Bars at each place.
    Bars,
    /// A square at each place, of the colour of what is significantly best; black where nothing is.
    Grid,
    /// Curves, with bands of a standard deviation over seeds.
    Lines,
}

/// A drawing and the numbers in it.
pub struct Picture {
    /// As SVG.
    pub svg: String,
    /// As CSV.
    pub csv: String,
}

impl Plot {
    pub(super) fn check(&self, spec: &Spec, known: &Known) -> Result<(), String> {
        let Dimension::Axis(series) = Dimension::named(spec, &self.series)? else {
            return Err(format!("series: {} is no axis", self.series));
        };
        if spec.axes[series].levels.len() > SERIES.len() {
            return Err(format!("series: there are colours for {} levels", SERIES.len()));
        }
        let along = Dimension::named(spec, &self.along)?;
        let over = self.over.as_ref().map(|over| Dimension::named(spec, over)).transpose()?;
        if along == Dimension::Axis(series) || over == Some(Dimension::Axis(series)) || over == Some(along) {
            return Err("series, along and over must be three things".into());
        }
        if along == Dimension::Class && self.kind != PlotKind::Grid || over == Some(Dimension::Class) {
            return Err("classes stand along grids alone; in others take each_class".into());
        }
        if self.scores.is_empty() {
            return Err("scores: name one at least".into());
        }
        let of_bars = over.is_some() || self.overlaid;
        if of_bars && self.kind != PlotKind::Bars {
            return Err("over and overlaid are for bars alone".into());
        }
        if self.range.is_some_and(|[from, to]| !from.is_finite() || !to.is_finite() || from >= to) {
            return Err("range: two numbers, the smaller first".into());
        }
        for (name, labels) in &self.limits {
            let dimension = Dimension::named(spec, name)?;
            if let Some(odd) = labels.all().iter().find(|label| !known.level(dimension, label)) {
                return Err(format!("where: {name:?} has no level {odd:?}"));
            }
        }
        Ok(())
    }

    /// Draws it; `None` while there is nothing to draw, or where this profile lacks what it is limited to.
    ///
    /// # Errors
    /// [`Error::Config`] if it names what is not there, [`Error::Check`] if it cannot be drawn.
    pub fn draw(&self, results: &Results) -> Result<Option<Picture>> {
        let wrong = |e: String| Error::Config(format!("plot {}: {e}", self.name));
        let Some(scene) = Scene::of(self, results).map_err(wrong)? else { return Ok(None) };
        let drawn = match self.kind {
            PlotKind::Bars => bars::draw(&scene),
            PlotKind::Grid => grid::draw(&scene),
            PlotKind::Lines => lines::draw(&scene),
        };
        drawn.map(Some).map_err(|e| Error::Check(format!("plot {} cannot be drawn: {e}", self.name)))
    }
}

/// What is to be drawn, with its scores.
struct Scene<'a> {
    plot: &'a Plot,
    results: &'a Results,
    series_axis: usize,
    series: Vec<Place>,
    along: Dimension,
    places: Vec<Place>,
    /// Score and, with [`Plot::each_class`], class by row and then column of panels.
    panels: Vec<Vec<Query>>,
}

impl<'a> Scene<'a> {
    fn of(plot: &'a Plot, results: &'a Results) -> Result<Option<Self>, String> {
        let spec = &results.spec;
        let Dimension::Axis(series_axis) = Dimension::named(spec, &plot.series)? else { return Ok(None) };
        let along = Dimension::named(spec, &plot.along)?;
        let queries = plot.scores.iter().map(|score| results.query(*score, &plot.limits));
        let Some(queries) = queries.collect::<Result<Option<Vec<Query>>, String>>()? else { return Ok(None) };
        let (series, places) = (
            results.places_of(&queries[0], Dimension::Axis(series_axis)),
            results.places_of(&queries[0], along),
        );
        if results.seen.is_empty() || series.is_empty() || places.is_empty() {
            return Ok(None);
        }
        let mut panels = vec![queries.clone()];
        if plot.each_class {
            let classes = results.places(Dimension::Class);
            let of_class =
                |class: &Place| queries.iter().filter_map(|q| q.at(Dimension::Class, class)).collect();
            panels = classes.iter().map(of_class).filter(|row: &Vec<Query>| !row.is_empty()).collect();
        }
        Ok(Some(Self { plot, results, series_axis, series, along, places, panels }))
    }

    /// The samples of a series at a place, and `over` another.
    fn numbers(
        &self,
        panel: &Query,
        series: &Place,
        place: &Place,
        over: Option<(Dimension, &Place)>,
    ) -> Numbers {
        let query = panel.at(Dimension::Axis(self.series_axis), series).and_then(|q| q.at(self.along, place));
        let query = match over {
            Some((dimension, over)) => query.and_then(|q| q.at(dimension, over)),
            None => query,
        };
        let samples = if self.plot.kind == PlotKind::Grid { self.plot.samples } else { Samples::Seeds };
        query.map(|q| self.results.numbers(&q, samples, Some(self.series_axis))).unwrap_or_default()
    }

    fn heading(&self, panel: &Query) -> String {
        panel.column.heading(&self.results.spec.classes)
    }

    /// Of a series, the same in all plots of an experiment.
    fn colour(&self, series: &Place) -> Colour {
        SERIES[series.index % SERIES.len()]
    }

    /// The span of the vertical axis: as asked for, 0 to 1 of shares, else what holds all of `values`.
    fn range(&self, panel: &Query, values: impl Iterator<Item = f64>) -> [f64; 2] {
        if let Some(range) = self.plot.range {
            return range;
        }
        if panel.column.score.is_share() {
            return [0.0, 1.0];
        }
        let [low, high] = values.fold([0.0, 0.0], |[a, b]: [f64; 2], v| [a.min(v), b.max(v)]);
        let air = 0.05 * (high - low).max(1e-3);
        [if low < 0.0 { low - air } else { 0.0 }, high + air]
    }

    /// Swatches with names, from the left.
    fn legend(&self, canvas: &Canvas<'_>, mut left: i32, y: i32, marks: bool) -> Drawn<i32> {
        for (at, series) in self.series.iter().enumerate() {
            match marks {
                true => canvas.mark((left + 7, y), at, self.colour(series))?,
                false => canvas.fill([(left, y - 7), (left + 14, y + 7)], self.colour(series), 1.0)?,
            }
            canvas.text(&series.label, (left + 20, y), Anchor::Left, INK)?;
            left += 20 + canvas::width_of(&series.label) + 18;
        }
        Ok(left)
    }
}

/// Mean and standard deviation (n - 1) of samples; `None` for none.
fn spread(numbers: &Numbers) -> Option<(f64, f64)> {
    let n = numbers.len() as f64;
    let mean = numbers.values().sum::<f64>() / n;
    let squares: f64 = numbers.values().map(|v| (v - mean).powi(2)).sum();
    (!numbers.is_empty()).then(|| (mean, if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 }))
}

/// A frame with a vertical axis: where values lie in it.
struct Frame {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
    range: [f64; 2],
}

impl Frame {
    /// The height of a value; what is beyond the axis lies at its end.
    fn y(&self, value: f64) -> i32 {
        let share = ((value - self.range[0]) / (self.range[1] - self.range[0])).clamp(0.0, 1.0);
        self.bottom - (share * f64::from(self.bottom - self.top)).round() as i32
    }

    /// Lines and numbers of the vertical axis, with its name.
    fn draw(&self, canvas: &Canvas<'_>, name: &str) -> Drawn {
        let step = step(self.range[1] - self.range[0]);
        let digits = (-step.log10()).ceil().max(0.0) as usize;
        let mut tick = (self.range[0] / step).ceil() * step;
        while tick <= self.range[1] + 1e-9 * step {
            let y = self.y(tick);
            canvas.line(&[(self.left, y), (self.right, y)], FAINT, 1)?;
            // No number is shown as -0.
            let number = if tick.abs() < 1e-9 * step { 0.0 } else { tick };
            canvas.note(&format!("{number:.digits$}"), (self.left - 6, y), Anchor::Right, INK)?;
            tick += step;
        }
        canvas.upright(name, (self.left - 52, (self.top + self.bottom) / 2), Anchor::Middle)
    }

    /// Its left and lower lines, over what is drawn inside.
    fn close(&self, canvas: &Canvas<'_>) -> Drawn {
        let corners = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)];
        canvas.line(&corners, INK, 1)
    }
}

/// About a fifth of a span, and a number that is easily read.
fn step(span: f64) -> f64 {
    let rough = span / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let digit = [1.0, 2.0, 5.0, 10.0].into_iter().find(|d| d * power >= rough * 0.999);
    digit.unwrap_or(10.0) * power
}

/// What places are called beside the name of their dimension: by their numbers, where these tell them apart.
fn short(dimension: Dimension, places: &[Place]) -> Vec<String> {
    let values: Option<Vec<f64>> = places.iter().map(|place| place.value).collect();
    let apart = |values: &[f64]| values.iter().enumerate().all(|(at, v)| !values[..at].contains(v));
    match values {
        Some(values) if dimension != Dimension::Class && apart(&values) => {
            values.iter().map(f64::to_string).collect()
        }
        _ => places.iter().map(|place| place.label.clone()).collect(),
    }
}

/// The lines of a CSV file.
fn csv(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let head = csv_line(header.iter().map(|name| (*name).to_owned()));
    rows.into_iter().fold(head, |text, row| text + &csv_line(row))
}

#[cfg(test)]
mod tests;

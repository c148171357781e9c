//! Squares: at each place and for each score the series that is best, in its colour if it is significantly better than
//! every other, and black if it is not.

use super::{Anchor, Canvas, Colour, Drawn, INK, LINE, Numbers, Picture, Query, Scene, canvas, csv};
use crate::{
    experiment::{
        claim::{LEVEL, shown_p},
        results::{adjusted, mean_of},
    },
    io::csv::csv_number,
    metrics::TTest,
};

/// Side of a square, pixels.
const SIDE: i32 = 46;
const BLACK: Colour = [0; 3];
/// Of squares where nothing can be tested.
const GREY: Colour = [190; 3];

/// What is best at a place.
struct Best {
    /// Which series.
    series: usize,
    mean: f64,
    /// Of each of the others: which, its mean, p and raised p.
    others: Vec<(usize, f64, Option<f64>, Option<f64>)>,
    /// Samples of it.
    n: usize,
}

impl Best {
    fn of(scene: &Scene<'_>, numbers: &[Numbers]) -> Option<Self> {
        let means: Vec<Option<f64>> = numbers.iter().map(mean_of).collect();
        let lower_is_better = scene.plot.scores.iter().all(|c| !c.score.is_better_high());
        let goodness = |v: f64| if lower_is_better { -v } else { v };
        let ranked = means.iter().enumerate().filter_map(|(at, mean)| Some((at, (*mean)?)));
        let (series, mean) = ranked.max_by(|a, b| goodness(a.1).total_cmp(&goodness(b.1)))?;
        let others = || (0..means.len()).filter(|at| *at != series);
        let tests: Vec<Option<TTest>> =
            others().map(|at| scene.plot.test.of(&numbers[series], &numbers[at])).collect();
        let raised = adjusted(scene.plot.correction, &tests);
        let of = |(at, (test, raised)): (usize, (&Option<TTest>, Option<f64>))| {
            Some((at, means[at]?, test.map(|test| test.p), raised))
        };
        let others = others().zip(tests.iter().zip(raised)).filter_map(of).collect();
        Some(Self { series, mean, others, n: numbers[series].len() })
    }

    /// Whether it is better than every other, and not by chance; `None` where that cannot be told.
    fn significant(&self) -> Option<bool> {
        if self.others.iter().any(|(.., raised)| raised.is_some_and(|p| p > LEVEL)) {
            return Some(false);
        }
        let told = !self.others.is_empty() && self.others.iter().all(|(.., raised)| raised.is_some());
        told.then_some(true)
    }

    fn colour(&self, scene: &Scene<'_>) -> Colour {
        match self.significant() {
            Some(true) => scene.colour(&scene.series[self.series]),
            Some(false) => BLACK,
            None => GREY,
        }
    }
}

pub fn draw(scene: &Scene<'_>) -> Drawn<Picture> {
    let panels: Vec<&Query> = scene.panels.iter().flatten().collect();
    let squares: Vec<Vec<Option<Best>>> = panels.iter().map(|panel| row(scene, panel)).collect();
    let names = panels.iter().map(|panel| canvas::width_of(&scene.heading(panel))).max().unwrap_or(0);
    let places = super::short(scene.along, &scene.places);
    let below = places.iter().map(|place| canvas::width_of(place)).max().unwrap_or(0);
    let upright = below > SIDE - 6;
    let left = names + 24;
    let legend = scene.series.iter().map(|s| canvas::width_of(&s.label) + 38).sum::<i32>() + 350;
    let width = (left + SIDE * scene.places.len() as i32 + 20)
        .max(24 + legend)
        .max(24 + canvas::width_of(&scene.plot.title));
    let top = 2 * LINE + 24;
    let bottom = top + SIDE * panels.len() as i32;
    let height = bottom + if upright { below * 4 / 5 + 12 } else { LINE } + LINE + 12;
    let svg = canvas::svg(width, height, |canvas| {
        canvas.text(&scene.plot.title, (12, LINE), Anchor::Left, INK)?;
        draw_legend(scene, canvas)?;
        for (y, (panel, row)) in panels.iter().zip(&squares).enumerate() {
            let upper = top + y as i32 * SIDE;
            canvas.text(&scene.heading(panel), (left - 10, upper + SIDE / 2), Anchor::Right, INK)?;
            for (x, best) in row.iter().enumerate() {
                square(scene, canvas, (left + x as i32 * SIDE, upper), best.as_ref())?;
            }
        }
        for (x, label) in places.iter().enumerate() {
            let x = left + x as i32 * SIDE + SIDE / 2;
            match upright {
                true => canvas.upright(label, (x, bottom + 8), Anchor::Right)?,
                false => canvas.text(label, (x, bottom + 12), Anchor::Middle, INK)?,
            }
        }
        let middle = left + SIDE * scene.places.len() as i32 / 2;
        let name = scene.along.heading(&scene.results.spec);
        canvas.text(name, (middle, height - 14), Anchor::Middle, INK)
    })?;
    let rows = panels.iter().zip(&squares).flat_map(|(panel, row)| numbers(scene, panel, row));
    let along = scene.along.heading(&scene.results.spec);
    let header =
        ["score", along, "best", "mean", "n", "other", "mean of other", "p", "p raised", "significant"];
    Ok(Picture { svg, csv: csv(&header, rows) })
}

fn row(scene: &Scene<'_>, panel: &Query) -> Vec<Option<Best>> {
    let best = |place| {
        let of = |series| scene.numbers(panel, series, place, None);
        Best::of(scene, &scene.series.iter().map(of).collect::<Vec<_>>())
    };
    scene.places.iter().map(best).collect()
}

fn draw_legend(scene: &Scene<'_>, canvas: &Canvas<'_>) -> Drawn {
    let y = 2 * LINE + 4;
    let mut left = scene.legend(canvas, 12, y, false)?;
    for (colour, name) in [(BLACK, "no significant best"), (GREY, "not testable")] {
        canvas.fill([(left, y - 7), (left + 14, y + 7)], colour, 1.0)?;
        canvas.text(name, (left + 20, y), Anchor::Left, INK)?;
        left += 20 + canvas::width_of(name) + 18;
    }
    Ok(())
}

/// With the mean of the best in it.
fn square(scene: &Scene<'_>, canvas: &Canvas<'_>, (left, upper): (i32, i32), best: Option<&Best>) -> Drawn {
    let corners = [(left, upper), (left + SIDE, upper + SIDE)];
    let middle = (left + SIDE / 2, upper + SIDE / 2);
    if let Some(best) = best {
        let colour = best.colour(scene);
        canvas.fill(corners, colour, 1.0)?;
        canvas.note(&format!("{:.3}", best.mean), middle, Anchor::Middle, canvas::readable_on(colour))?;
    } else {
        canvas.note("–", middle, Anchor::Middle, INK)?;
    }
    canvas.frame(corners, [255; 3])
}

/// A line a comparison.
fn numbers(scene: &Scene<'_>, panel: &Query, row: &[Option<Best>]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (place, best) in scene.places.iter().zip(row) {
        let Some(best) = best else { continue };
        let significant = best.significant().map_or("not testable", |s| if s { "yes" } else { "no" });
        for (other, mean, p, raised) in &best.others {
            let shown = |p: &Option<f64>| p.map(shown_p).unwrap_or_default();
            rows.push(vec![
                scene.heading(panel),
                place.label.clone(),
                scene.series[best.series].label.clone(),
                csv_number(Some(best.mean)),
                best.n.to_string(),
                scene.series[*other].label.clone(),
                csv_number(Some(*mean)),
                shown(p),
                shown(raised),
                significant.into(),
            ]);
        }
    }
    rows
}

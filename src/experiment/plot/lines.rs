//! Curves: a panel a score and class, a line a series, with a band of a standard deviation over seeds.

use super::{Anchor, Canvas, Drawn, FAINT, Frame, INK, LINE, Picture, Query, Scene, canvas, csv};
use crate::io::csv::csv_number;

/// A panel's frame, pixels.
const SIZE: [i32; 2] = [300, 190];
const LEFT: i32 = 84;
const BELOW: i32 = 2 * LINE + 18;

/// Mean, deviation and number of samples at each place, if there are any.
type Points = Vec<Option<(f64, f64, usize)>>;

pub fn draw(scene: &Scene<'_>) -> Drawn<Picture> {
    let across = scene.panels.iter().map(Vec::len).max().unwrap_or(1) as i32;
    let (wide, high) = (LEFT + SIZE[0] + 20, SIZE[1] + BELOW + 10);
    let names: i32 = scene.series.iter().map(|s| canvas::width_of(&s.label) + 38).sum();
    let width = (across * wide).max(LEFT + names).max(LEFT + canvas::width_of(&scene.plot.title));
    let top = 2 * LINE + 24;
    let mut rows = Vec::new();
    let svg = canvas::svg(width, top + scene.panels.len() as i32 * high, |canvas| {
        canvas.text(&scene.plot.title, (LEFT, LINE), Anchor::Left, INK)?;
        scene.legend(canvas, LEFT, 2 * LINE + 4, true)?;
        for (y, row) in scene.panels.iter().enumerate() {
            for (x, panel) in row.iter().enumerate() {
                let curves: Vec<Points> =
                    (0..scene.series.len()).map(|at| points(scene, panel, at)).collect();
                let (left, upper) = (LEFT + x as i32 * wide, top + y as i32 * high);
                let ends = curves.iter().flatten().flatten().flat_map(|(mean, sd, _)| [mean - sd, mean + sd]);
                let range = scene.range(panel, ends);
                let frame = Frame { left, right: left + SIZE[0], top: upper, bottom: upper + SIZE[1], range };
                draw_panel(scene, canvas, &frame, panel, &curves)?;
                rows.extend(numbers(scene, panel, &curves));
            }
        }
        Ok(())
    })?;
    let along = scene.along.heading(&scene.results.spec);
    Ok(Picture { svg, csv: csv(&["score", along, &scene.plot.series, "mean", "sd", "n"], rows) })
}

fn points(scene: &Scene<'_>, panel: &Query, series: usize) -> Points {
    let of = |place| {
        let numbers = scene.numbers(panel, &scene.series[series], place, None);
        super::spread(&numbers).map(|(mean, deviation)| (mean, deviation, numbers.len()))
    };
    scene.places.iter().map(of).collect()
}

fn numbers(scene: &Scene<'_>, panel: &Query, curves: &[Points]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (series, points) in scene.series.iter().zip(curves) {
        for (place, (mean, deviation, n)) in
            scene.places.iter().zip(points).filter_map(|(p, v)| Some((p, (*v)?)))
        {
            let labels = [scene.heading(panel), place.label.clone(), series.label.clone()];
            let numbers = [csv_number(Some(mean)), csv_number(Some(deviation)), n.to_string()];
            rows.push([labels, numbers].concat());
        }
    }
    rows
}

/// Where places lie, 0 to 1: by their values, of which far larger ones are spaced by their logarithms; evenly where
/// they have none.
fn across(values: &[Option<f64>]) -> Vec<f64> {
    let even = || (0..values.len()).map(|i| (i as f64 + 0.5) / values.len() as f64).collect();
    let Some(values) = values.iter().copied().collect::<Option<Vec<f64>>>() else { return even() };
    let [low, high] = values.iter().fold([f64::MAX, f64::MIN], |[a, b], v| [a.min(*v), b.max(*v)]);
    if low >= high {
        return even();
    }
    let scale = |v: f64| if low > 0.0 && high / low > 10.0 { v.ln() } else { v };
    values.iter().map(|v| 0.04 + 0.92 * (scale(*v) - scale(low)) / (scale(high) - scale(low))).collect()
}

fn draw_panel(
    scene: &Scene<'_>,
    canvas: &Canvas<'_>,
    frame: &Frame,
    panel: &Query,
    curves: &[Points],
) -> Drawn {
    frame.draw(canvas, &scene.heading(panel))?;
    let values: Vec<Option<f64>> = scene.places.iter().map(|place| place.value).collect();
    let wide = f64::from(frame.right - frame.left);
    let x: Vec<i32> = across(&values).iter().map(|s| frame.left + (s * wide).round() as i32).collect();
    let mut free = i32::MIN;
    for (label, x) in super::short(scene.along, &scene.places).iter().zip(&x) {
        let half = canvas::width_of(label) / 2;
        canvas.line(&[(*x, frame.bottom), (*x, frame.bottom + 4)], INK, 1)?;
        // A label that would run into the last is left out.
        if x - half > free {
            canvas.note(label, (*x, frame.bottom + 14), Anchor::Middle, INK)?;
            free = x + half;
        }
    }
    let middle = (frame.left + frame.right) / 2;
    canvas.text(
        scene.along.heading(&scene.results.spec),
        (middle, frame.bottom + 14 + LINE),
        Anchor::Middle,
        INK,
    )?;
    canvas.line(&[(frame.right, frame.top), (frame.right, frame.bottom)], FAINT, 1)?;
    for (at, curve) in curves.iter().enumerate() {
        let colour = scene.colour(&scene.series[at]);
        let seen: Vec<(i32, f64, f64)> =
            x.iter().zip(curve).filter_map(|(x, p)| p.map(|(mean, sd, _)| (*x, mean, sd))).collect();
        let upper = seen.iter().map(|(x, mean, sd)| (*x, frame.y(mean + sd)));
        let lower = seen.iter().rev().map(|(x, mean, sd)| (*x, frame.y(mean - sd)));
        canvas.outline(&upper.chain(lower).collect::<Vec<_>>(), colour, 0.15)?;
        let line: Vec<(i32, i32)> = seen.iter().map(|(x, mean, _)| (*x, frame.y(*mean))).collect();
        canvas.line(&line, colour, 2)?;
        line.iter().try_for_each(|point| canvas.mark(*point, at, colour))?;
    }
    frame.close(canvas)
}

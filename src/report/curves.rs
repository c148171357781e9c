//! Curves of the run's log as inline SVG.

use super::{
    chart::{self, Axes, Series},
    html::{BLUE, VERMILION, escape, swatch},
};
use crate::metrics::{Phase, Row};
use crate::{Error, Result};

/// Points of a curve beyond which neighbours are averaged: more cannot be told apart, and would bloat the
/// file.
const MOST_POINTS: usize = 500;

/// Beyond this the arithmetic of the axes overflows; a curve that gets there has nothing more to tell.
const LARGEST: f64 = 1e300;
/// Smallest share of the values that an axis resolves; finer ones would step by less than a number's last
/// bit.
const FINEST: f64 = 1e-9;

/// One key of the log in one phase, finite numbers only.
struct Curve {
    phase: Phase,
    /// Step and value.
    points: Vec<(f64, f64)>,
    /// How many measurements each point is the mean of.
    averaged: usize,
}

/// The charts of all keys: loss and Dice large, the rest below; nothing for an empty log.
pub(super) fn render(history: &[Row]) -> Result<String> {
    let mut keys: Vec<&str> =
        history.iter().flat_map(|row| &row.values).map(|(key, _)| key.as_str()).collect();
    // In a fixed order, so that equal logs give equal reports.
    keys.sort_by_key(|key| (*key != "loss", *key != "dice", *key));
    keys.dedup();
    let mut figures = String::new();
    for key in keys {
        let curves: Vec<Curve> =
            [Phase::Train, Phase::Val].into_iter().filter_map(|p| curve(history, key, p)).collect();
        if !curves.is_empty() {
            figures += &figure(key, &curves)?;
        }
    }
    Ok(if figures.is_empty() { figures } else { format!("<div class=\"row\">\n{figures}</div>\n") })
}

fn curve(history: &[Row], key: &str, phase: Phase) -> Option<Curve> {
    let all: Vec<(f64, f64)> = history
        .iter()
        .filter(|row| row.phase == phase)
        .filter_map(|row| Some((row.step as f64, row.get(key).filter(|value| value.is_finite())?)))
        .map(|(step, value)| (step, value.clamp(-LARGEST, LARGEST)))
        .collect();
    let averaged = all.len().div_ceil(MOST_POINTS).max(1);
    let points = all.chunks(averaged).map(mean).collect();
    (!all.is_empty()).then_some(Curve { phase, points, averaged })
}

fn mean(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    // Divided first: the sum of large losses may overflow.
    points.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count))
}

fn figure(key: &str, curves: &[Curve]) -> Result<String> {
    let mut caption = format!("<strong>{}</strong> <span>", escape(heading(key)));
    for curve in curves {
        let (colour, name) = look(curve.phase);
        caption += &match curve.averaged {
            1 => swatch(colour, name),
            count => swatch(colour, &format!("{name} (means of {count})")),
        };
    }
    let svg =
        chart(key, curves).map_err(|e| Error::Check(format!("the curve of {key} cannot be drawn: {e}")))?;
    Ok(format!("<figure>\n<figcaption>{caption}</span>{}</figcaption>\n{svg}</figure>\n", best(key, curves)))
}

/// In words, where the validation curve was at its best.
fn best(key: &str, curves: &[Curve]) -> String {
    let Some(curve) = curves.iter().find(|c| c.phase == Phase::Val && c.averaged == 1) else {
        return String::new();
    };
    let sign = match key {
        "dice" | "iou" => -1.0,
        "loss" => 1.0,
        _ => return String::new(),
    };
    let best = curve.points.iter().min_by(|a, b| (sign * a.1).total_cmp(&(sign * b.1)));
    best.map_or_else(String::new, |(step, value)| {
        format!("<span class=\"note\">validation best {value:.4} at step {step}</span>")
    })
}

fn heading(key: &str) -> &str {
    match key {
        "loss" => "Loss",
        "dice" => "Dice",
        "iou" => "IoU",
        "lr" => "Learning rate",
        other => other,
    }
}

fn look(phase: Phase) -> ([u8; 3], &'static str) {
    match phase {
        Phase::Train => (BLUE, "training"),
        Phase::Val => (VERMILION, "validation"),
    }
}

/// Validation is dotted as well as coloured, so that a grey print tells the two apart.
fn chart(key: &str, curves: &[Curve]) -> std::result::Result<String, String> {
    let line = |curve: &Curve| Series {
        colour: look(curve.phase).0,
        points: curve.points.clone(),
        dots: curve.phase == Phase::Val,
    };
    let axes = Axes { x: steps(curves), y: values(key, curves), x_name: "step", y_name: "" };
    chart::draw(&axes, &curves.iter().map(line).collect::<Vec<_>>())
}

fn steps(curves: &[Curve]) -> std::ops::Range<f64> {
    let last = curves.iter().flat_map(|curve| &curve.points).fold(0.0, |last: f64, point| last.max(point.0));
    0.0..last.max(1.0)
}

/// The range of the values with some air; scores show the whole way from 0 to 1.
fn values(key: &str, curves: &[Curve]) -> std::ops::Range<f64> {
    let all = curves.iter().flat_map(|curve| &curve.points).map(|point| point.1);
    let (low, high) = all.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
    if matches!(key, "dice" | "iou") && low >= 0.0 && high <= 1.0 {
        return 0.0..1.0;
    }
    span(low, high)
}

/// From `low` to `high` with some air, and never below 0 where there is nothing.
pub(super) fn span(low: f64, high: f64) -> std::ops::Range<f64> {
    let largest = low.abs().max(high.abs());
    let air = if high - low > largest * FINEST { (high - low) * 0.05 } else { largest.max(1e-3) * 0.5 };
    let floor = if low >= 0.0 { (low - air).max(0.0) } else { low - air };
    floor..high + air
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64, value: impl Fn(u64) -> f64) -> Vec<Row> {
        (1..=count).map(|step| Row::new(Phase::Train, 0, step).with("loss", value(step))).collect()
    }

    #[test]
    fn any_numbers_can_be_drawn() {
        let shapes: [fn(u64) -> f64; 8] = [
            |_| 0.5,
            |_| 0.0,
            |step| if step == 2 { f64::NAN } else { -1.0 },
            |step| [1e-300, 1e300][step as usize % 2],
            |step| [f64::MAX, f64::MIN][step as usize % 2],
            |step| 1e-9 * step as f64,
            |step| 1e17 + 16.0 * step as f64,
            |step| -1.0 - f64::EPSILON * step as f64,
        ];
        for (i, shape) in shapes.into_iter().enumerate() {
            for count in [1, 2, 7] {
                let text = render(&rows(count, shape)).unwrap();
                assert!(text.contains("<svg") && text.contains("</svg>"), "shape {i}, {count} points");
                assert!(!text.contains("NaN"), "shape {i}, {count} points");
            }
        }
        assert_eq!(render(&rows(3, |_| f64::NAN)).unwrap(), "");
        assert_eq!(render(&[]).unwrap(), "");
    }

    #[test]
    fn long_logs_are_averaged_evenly() {
        let curve = curve(&rows(2000, |step| step as f64), "loss", Phase::Train).unwrap();
        assert_eq!((curve.points.len(), curve.averaged), (500, 4));
        assert_eq!((curve.points[0], curve.points[499]), ((2.5, 2.5), (1998.5, 1998.5)));
    }

    #[test]
    fn loss_comes_first_and_the_best_is_named() {
        let mut history = rows(3, |step| step as f64);
        history.push(Row::new(Phase::Val, 0, 2).with("auc", 0.5).with("dice", 0.8).with("loss", 3.0));
        history.push(Row::new(Phase::Val, 0, 3).with("auc", 0.5).with("dice", 0.7).with("loss", 2.0));
        let text = render(&history).unwrap();
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is missing"));
        assert!(at("<strong>Loss") < at("<strong>Dice") && at("<strong>Dice") < at("<strong>auc"));
        assert!(text.contains("validation best 0.8000 at step 2"));
        assert!(text.contains("validation best 2.0000 at step 3"));
    }
}

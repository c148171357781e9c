//! Curves over the number of patches of two stages: a panel a kind of data, a curve a way to predict.

use super::{Anchor, Canvas, FAINT, Frame, INK, LINE, canvas};
use crate::{
    Error, Result,
    experiment::two_stage::{StagedResults, StagedRow, WayRow},
    report::palette::SERIES,
};

const SIZE: [i32; 2] = [300, 190];
const LEFT: i32 = 84;
const NAMES: [&str; 3] = ["baseline", "stage 1", "two stages"];

/// Draws a number of every way by the number of patches, as SVG; `None` where nothing is done.
///
/// # Errors
/// [`Error::Check`] if it cannot be drawn.
pub fn draw_stages(
    results: &StagedResults,
    title: &str,
    unit: &str,
    value: impl Fn(&WayRow) -> f64,
) -> Result<Option<String>> {
    if results.data.is_empty() {
        return Ok(None);
    }
    let (wide, top) = (LEFT + SIZE[0] + 20, 3 * LINE + 24);
    let names: i32 = NAMES.iter().map(|name| canvas::width_of(name) + 38).sum();
    let width = (results.data.len() as i32 * wide).max(LEFT + names).max(LEFT + canvas::width_of(title));
    let svg = canvas::svg(width, top + SIZE[1] + 2 * LINE + 28, |canvas| {
        canvas.text(title, (LEFT, LINE), Anchor::Left, INK)?;
        let mut left = LEFT;
        for (at, name) in NAMES.iter().enumerate() {
            canvas.mark((left + 7, 2 * LINE + 4), at, SERIES[at])?;
            canvas.text(name, (left + 20, 2 * LINE + 4), Anchor::Left, INK)?;
            left += canvas::width_of(name) + 38;
        }
        for (i, (name, rows)) in results.data.iter().enumerate() {
            let left = LEFT + i as i32 * wide;
            let all = || rows.iter().flat_map(|row| &row.ways).map(&value).filter(|v| v.is_finite());
            let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
            // What does not differ much is shown from near its least.
            let from = if low > 0.5 * high { low - 0.1 * (high - low).max(1e-3) } else { 0.0 };
            let range = [from, high + 0.05 * (high - from).max(1e-6)];
            let frame = Frame { left, right: left + SIZE[0], top, bottom: top + SIZE[1], range };
            canvas.text(name, (left + SIZE[0] / 2, top - LINE / 2), Anchor::Middle, INK)?;
            frame.draw(canvas, unit)?;
            panel(canvas, &frame, rows, &value)?;
            let under = (left + SIZE[0] / 2, frame.bottom + 14 + LINE);
            canvas.text("patches refined, of patches", under, Anchor::Middle, INK)?;
            frame.close(canvas)?;
        }
        Ok(())
    });
    svg.map(Some).map_err(|e| Error::Check(format!("{title} cannot be drawn: {e}")))
}

fn panel(
    canvas: &Canvas<'_>,
    frame: &Frame,
    rows: &[StagedRow],
    value: impl Fn(&WayRow) -> f64,
) -> Result<(), String> {
    let x = |i: usize| frame.left + (frame.right - frame.left) * (2 * i as i32 + 1) / (2 * rows.len() as i32);
    for (i, row) in rows.iter().enumerate() {
        canvas.line(&[(x(i), frame.top), (x(i), frame.bottom)], FAINT, 1)?;
        canvas.note(&row.label(), (x(i), frame.bottom + 14), Anchor::Middle, INK)?;
    }
    for (at, colour) in SERIES.iter().enumerate().take(NAMES.len()) {
        let seen = rows.iter().enumerate().map(|(i, row)| (x(i), value(&row.ways[at])));
        let line: Vec<(i32, i32)> =
            seen.filter(|(_, v)| v.is_finite()).map(|(x, v)| (x, frame.y(v))).collect();
        canvas.line(&line, *colour, 2)?;
        line.iter().try_for_each(|point| canvas.mark(*point, at, *colour))?;
    }
    Ok(())
}

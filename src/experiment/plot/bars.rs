//! Bars: a group at each place, within it a step of another dimension, and there a bar a series.

use super::{
    Anchor, Canvas, Dimension, Drawn, FAINT, Frame, INK, LINE, Picture, Place, Query, Scene, canvas, csv,
};
use crate::io::csv::csv_number;

/// Height of a panel's frame, pixels.
const HEIGHT: i32 = 240;
const MARGIN: i32 = 84;

/// A bar: where, how high, and how far it spreads.
struct Bar<'a> {
    series: &'a Place,
    place: &'a Place,
    over: &'a Place,
    mean: f64,
    deviation: f64,
    n: usize,
}

/// What lies under the bars.
struct Layout {
    over: Option<Dimension>,
    steps: Vec<Place>,
    /// Pixels of a step, and between groups.
    step: i32,
    gap: i32,
}

impl Layout {
    fn of(scene: &Scene<'_>) -> Result<Self, String> {
        let over = scene.plot.over.as_ref();
        let over = over.map(|name| Dimension::named(&scene.results.spec, name)).transpose()?;
        let nothing = vec![Place { label: String::new(), value: None, index: 0 }];
        let steps = over.map_or(nothing, |over| scene.results.places_of(&scene.panels[0][0], over));
        let bars = if scene.plot.overlaid { 1 } else { scene.series.len() as i32 };
        let count = (scene.places.len() * steps.len()) as i32 * bars;
        // Bars grow where there are few.
        let bar = (720 / count.max(1)).clamp(if scene.plot.overlaid { 14 } else { 6 }, 26);
        let room = if over.is_some() { 16 } else { 0 };
        Ok(Self { over, steps, step: (bar * bars + 2).max(room), gap: 14 })
    }

    fn group(&self) -> i32 {
        self.step * self.steps.len() as i32 + self.gap
    }

    /// Where a step of a group begins.
    fn left(&self, group: usize, step: usize) -> i32 {
        MARGIN + self.gap / 2 + self.group() * group as i32 + self.step * step as i32
    }
}

pub fn draw(scene: &Scene<'_>) -> Drawn<Picture> {
    let layout = Layout::of(scene)?;
    let panels: Vec<&Query> = scene.panels.iter().flatten().collect();
    let below = if layout.over.is_some() { 2 * LINE + 44 } else { 2 * LINE + 8 };
    let width = MARGIN + layout.group() * scene.places.len() as i32 + 20;
    let names: i32 = scene.series.iter().map(|s| canvas::width_of(&s.label) + 38).sum();
    let width = width.max(names + MARGIN).max(canvas::width_of(&scene.plot.title) + MARGIN);
    let top = 2 * LINE + 24;
    let height = top + panels.len() as i32 * (HEIGHT + below);
    let mut rows = Vec::new();
    let svg = canvas::svg(width, height, |canvas| {
        canvas.text(&scene.plot.title, (MARGIN, LINE), Anchor::Left, INK)?;
        scene.legend(canvas, MARGIN, 2 * LINE + 4, false)?;
        for (at, panel) in panels.iter().enumerate() {
            let bars = bars(scene, &layout, panel);
            let upper = top + at as i32 * (HEIGHT + below);
            let range = scene.range(panel, bars.iter().map(|bar| bar.mean + bar.deviation));
            let frame = Frame { left: MARGIN, right: width - 20, top: upper, bottom: upper + HEIGHT, range };
            frame.draw(canvas, &scene.heading(panel))?;
            draw_bars(scene, &layout, &frame, canvas, &bars)?;
            frame.close(canvas)?;
            labels(scene, &layout, &frame, canvas)?;
            rows.extend(bars.iter().map(|bar| {
                let name = |place: &Place| place.label.clone();
                let numbers = [Some(bar.mean), Some(bar.deviation)].map(csv_number);
                let [mean, deviation] = numbers;
                let labels = [scene.heading(panel), name(bar.place), name(bar.over), name(bar.series)];
                [labels.to_vec(), vec![mean, deviation, bar.n.to_string()]].concat()
            }));
        }
        Ok(())
    })?;
    let spec = &scene.results.spec;
    let over = layout.over.map_or("", |over| over.heading(spec));
    let header = ["score", scene.along.heading(spec), over, &scene.plot.series, "mean", "sd", "n"];
    Ok(Picture { svg, csv: csv(&header, rows) })
}

fn bars<'a>(scene: &'a Scene<'_>, layout: &'a Layout, panel: &Query) -> Vec<Bar<'a>> {
    let mut bars = Vec::new();
    for place in &scene.places {
        for over in &layout.steps {
            for series in &scene.series {
                let at = layout.over.map(|dimension| (dimension, over));
                let numbers = scene.numbers(panel, series, place, at);
                let Some((mean, deviation)) = super::spread(&numbers) else { continue };
                bars.push(Bar { series, place, over, mean, deviation, n: numbers.len() });
            }
        }
    }
    bars
}

fn position<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|other| other == one).unwrap_or(0)
}

fn draw_bars(
    scene: &Scene<'_>,
    layout: &Layout,
    frame: &Frame,
    canvas: &Canvas<'_>,
    bars: &[Bar<'_>],
) -> Drawn {
    let mut order: Vec<&Bar<'_>> = bars.iter().collect();
    if scene.plot.overlaid {
        // The highest lie behind, so that all can be seen.
        order.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    }
    let count = if scene.plot.overlaid { 1 } else { scene.series.len() as i32 };
    let wide = (layout.step - 2) / count;
    let zero = frame.y(frame.range[0].max(0.0).min(frame.range[1]));
    for bar in order {
        let nth = if scene.plot.overlaid { 0 } else { position(&scene.series, bar.series) as i32 };
        let left =
            layout.left(position(&scene.places, bar.place), position(&layout.steps, bar.over)) + nth * wide;
        let (right, y, colour) = (left + wide - 1, frame.y(bar.mean), scene.colour(bar.series));
        let opacity = if scene.plot.overlaid { 0.5 } else { 1.0 };
        canvas.fill([(left, y.min(zero)), (right, y.max(zero))], colour, opacity)?;
        if scene.plot.overlaid {
            canvas.line(&[(left, y), (right, y)], colour, 3)?;
        } else if bar.n > 1 {
            let middle = (left + right) / 2;
            let ends = [bar.mean - bar.deviation, bar.mean + bar.deviation].map(|v| (middle, frame.y(v)));
            canvas.line(&ends, INK, 1)?;
        }
    }
    Ok(())
}

fn labels(scene: &Scene<'_>, layout: &Layout, frame: &Frame, canvas: &Canvas<'_>) -> Drawn {
    let spec = &scene.results.spec;
    let mut y = frame.bottom + 6;
    if let Some(over) = layout.over {
        let steps = super::short(over, &layout.steps);
        for group in 0..scene.places.len() {
            for (at, step) in steps.iter().enumerate() {
                let x = layout.left(group, at) + layout.step / 2 - 1;
                canvas.upright(step, (x, y), Anchor::Right)?;
            }
        }
        canvas.note(over.heading(spec), (frame.left - 6, y + 10), Anchor::Right, INK)?;
        y += 32;
    }
    for (group, place) in super::short(scene.along, &scene.places).iter().enumerate() {
        let left = layout.left(group, 0);
        let right = left + layout.step * layout.steps.len() as i32;
        if group > 0 {
            let x = left - layout.gap / 2;
            canvas.line(&[(x, frame.top), (x, frame.bottom)], FAINT, 1)?;
        }
        canvas.text(place, ((left + right) / 2, y + 8), Anchor::Middle, INK)?;
    }
    let middle = (frame.left + frame.right) / 2;
    canvas.text(scene.along.heading(spec), (middle, y + 8 + LINE), Anchor::Middle, INK)
}

//! A chart of lines as inline SVG.

use std::ops::Range;

use plotters::prelude::*;

/// Size of a chart, pixels before scaling.
pub(super) const SIZE: (u32, u32) = (620, 320);

/// One line.
pub(super) struct Series {
    pub colour: [u8; 3],
    pub points: Vec<(f64, f64)>,
    /// Whether points are marked: a grey print tells lines apart by it.
    pub dots: bool,
}

/// What the lines are drawn over.
pub(super) struct Axes<'a> {
    pub x: Range<f64>,
    pub y: Range<f64>,
    /// What is written below; the left axis has its meaning from the figure's caption, or from `y_name`.
    pub x_name: &'a str,
    pub y_name: &'a str,
}

/// The chart, or what the backend says of it.
pub(super) fn draw(axes: &Axes<'_>, lines: &[Series]) -> Result<String, String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let (x_digits, y_digits) = (label_digits(&axes.x), label_digits(&axes.y));
        let mut chart = ChartBuilder::on(&area)
            .margin(6)
            .margin_right(18)
            .x_label_area_size(40)
            .y_label_area_size(62)
            .build_cartesian_2d(axes.x.clone(), axes.y.clone())
            .map_err(|e| e.to_string())?;
        chart
            .configure_mesh()
            .x_labels(7)
            .y_labels(6)
            .max_light_lines(1)
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(225, 225, 225))
            .axis_style(RGBColor(90, 90, 90))
            .label_style(("sans-serif", 14).into_font().color(&RGBColor(60, 60, 60)))
            .x_desc(axes.x_name)
            .y_desc(axes.y_name)
            .x_label_formatter(&|x| label(*x, x_digits))
            .y_label_formatter(&|y| label(*y, y_digits))
            .draw()
            .map_err(|e| e.to_string())?;
        for line in lines {
            let [r, g, b] = line.colour;
            let style = RGBColor(r, g, b).stroke_width(2);
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))
                .map_err(|e| e.to_string())?;
            if line.dots || line.points.len() == 1 {
                let dots = line.points.iter().map(|point| Circle::new(*point, 3, RGBColor(r, g, b).filled()));
                chart.draw_series(dots).map_err(|e| e.to_string())?;
            }
        }
        area.present().map_err(|e| e.to_string())?;
    }
    Ok(svg)
}

/// Decimals that tell the labels of an axis apart; `None` if they are better written with an exponent.
fn label_digits(range: &Range<f64>) -> Option<usize> {
    let span = range.end - range.start;
    let largest = range.start.abs().max(range.end.abs());
    if !(1e-3..1e5).contains(&largest) {
        return None;
    }
    Some((1.0 - span.log10()).ceil().clamp(0.0, 6.0) as usize)
}

fn label(value: f64, digits: Option<usize>) -> String {
    match digits {
        Some(digits) => format!("{value:.digits$}"),
        None if value == 0.0 => "0".to_owned(),
        None => format!("{value:.1e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_tell_values_apart() {
        assert_eq!(label(0.25, label_digits(&(0.0..1.0))), "0.2");
        assert_eq!(label(0.131, label_digits(&(0.12..0.14))), "0.131");
        assert_eq!(label(2e-4, label_digits(&(1e-4..3e-4))), "2.0e-4");
        assert_eq!(label(40.0, label_digits(&(0.0..90.0))), "40");
    }
}

//! The roofline: rate over operations a byte, under what the device can do at most.

use plotters::prelude::*;

use super::Report;
use crate::{Error, Result};

const SIZE: (u32, u32) = (900, 560);
const PASSES: [(&str, RGBColor); 3] = [
    ("forward", RGBColor(0, 114, 178)),
    ("input gradient", RGBColor(0, 158, 115)),
    ("weight gradient", RGBColor(213, 94, 0)),
];

/// The kernels of a report as an SVG.
///
/// # Errors
/// [`Error::Check`] if nothing was measured that could be drawn.
pub fn roofline(report: &Report) -> Result<String> {
    draw(report).map_err(|e| Error::Check(format!("the roofline cannot be drawn: {e}")))
}

fn draw(report: &Report) -> std::result::Result<String, String> {
    let said = |e: &dyn std::fmt::Display| e.to_string();
    let rows: Vec<_> =
        report.kernels.iter().filter(|r| r.flops > 0 && r.gflops > 0.0 && r.bytes > 0).collect();
    let intensity = |i: usize| rows[i].flops as f64 / rows[i].bytes as f64;
    let (peak, copy) = (report.ceilings.matmul, report.ceilings.copy_of(64 << 20));
    if rows.is_empty() || peak <= 0.0 || copy <= 0.0 {
        return Err("no kernel was measured".into());
    }
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
    };
    let x = ends(&mut (0..rows.len()).map(intensity));
    let (x0, x1) = (x.0.min(peak / copy) / 2.0, x.1.max(peak / copy) * 2.0);
    let y = ends(&mut rows.iter().map(|r| r.gflops));
    let (y0, y1) = (y.0.min(copy * x0) / 2.0, y.1.max(peak) * 2.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|e| said(&e))?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .caption(format!("{} ({})", report.adapter, report.driver), ("sans-serif", 16))
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d((x0..x1).log_scale(), (y0..y1).log_scale())
            .map_err(|e| said(&e))?;
        chart
            .configure_mesh()
            .x_desc("operations a byte")
            .y_desc("GFLOP/s")
            .light_line_style(WHITE)
            .draw()
            .map_err(|e| said(&e))?;
        let roof = [(x0, copy * x0), (peak / copy, peak), (x1, peak)];
        let label = format!("copy {copy:.1} GB/s, matrix product {peak:.1} GFLOP/s");
        chart
            .draw_series(LineSeries::new(roof, BLACK.stroke_width(2)))
            .map_err(|e| said(&e))?
            .label(label)
            .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], BLACK));
        for (pass, colour) in PASSES {
            let points = (0..rows.len()).filter(|i| rows[*i].pass == pass);
            let points = points.map(|i| Circle::new((intensity(i), rows[i].gflops), 4, colour.filled()));
            chart
                .draw_series(points)
                .map_err(|e| said(&e))?
                .label(pass)
                .legend(move |(x, y)| Circle::new((x + 8, y), 4, colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()
            .map_err(|e| said(&e))?;
        area.present().map_err(|e| said(&e))?;
    }
    Ok(svg)
}

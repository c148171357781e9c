//! What a descent looks like: the belief map as a film, its energies as curves and numbers, and the component graph.

mod film;
mod graph;
mod raster;

pub use film::Film;
pub use graph::ComponentGraph;
pub use raster::Raster;

use super::{
    chart::{self, Axes, Series},
    curves::span,
    palette::{BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, YELLOW},
};
use crate::{Error, Result, io::csv::csv_line};

/// Colours of labels from 0, the background, on; repeated if there are more.
const LABELS: [[u8; 3]; 8] = [[175; 3], ORANGE, SKY, GREEN, YELLOW, PURPLE, VERMILION, BLUE];

fn label_colour(label: u8) -> [u8; 3] {
    LABELS[usize::from(label) % LABELS.len()]
}

/// The energies by step, one chart below the other, as SVG; each has its name and its values, the first before any step.
///
/// # Errors
/// [`Error::Check`] if they cannot be drawn.
pub fn energy_curves(energies: &[(&str, Vec<f32>)]) -> Result<String> {
    let charts = energies.iter().enumerate().map(|(at, (name, values))| {
        let points: Vec<(f64, f64)> =
            values.iter().enumerate().map(|(step, v)| (step as f64, f64::from(*v))).collect();
        let (low, high) = points.iter().fold((f64::MAX, f64::MIN), |(l, h), p| (l.min(p.1), h.max(p.1)));
        let y = if points.is_empty() { 0.0..1.0 } else { span(low, high) };
        let axes =
            Axes { x: 0.0..values.len().saturating_sub(1).max(1) as f64, y, x_name: "step", y_name: name };
        let colour = [BLUE, VERMILION][at % 2];
        let svg = chart::draw(&axes, &[Series { colour, points, dots: values.len() <= DOTTED }])
            .map_err(|e| Error::Check(format!("the energy {name} cannot be drawn: {e}")))?;
        let (_, height) = chart::SIZE;
        Ok(svg.replacen("<svg ", &format!("<svg y=\"{}\" ", at * height as usize), 1))
    });
    let charts = charts.collect::<Result<String>>()?;
    let (width, height) = (chart::SIZE.0 as usize, chart::SIZE.1 as usize * energies.len().max(1));
    Ok(format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         xmlns=\"http://www.w3.org/2000/svg\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{charts}</svg>\n"
    ))
}

/// Most values of which each is marked on its curve.
const DOTTED: usize = 40;

/// The energies as CSV, a line a step, which comes first; to the last digit that f32 has.
pub fn energy_csv(energies: &[(&str, Vec<f32>)]) -> String {
    let header = std::iter::once("step").chain(energies.iter().map(|(name, _)| *name));
    let steps = energies.iter().map(|(_, values)| values.len()).min().unwrap_or_default();
    let row = |step: usize| {
        let numbers = energies.iter().map(|(_, values)| values[step].to_string());
        csv_line(std::iter::once(step.to_string()).chain(numbers))
    };
    csv_line(header.map(str::to_owned)) + &(0..steps).map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energies_are_told_in_full() {
        let energies = [("som", vec![2.0f32, 0.1]), ("hopfield", vec![-1e-9, -3.0])];
        assert_eq!(energy_csv(&energies), "step,som,hopfield\n0,2,-0.000000001\n1,0.1,-3\n");
        let svg = energy_curves(&energies).unwrap();
        assert_eq!(svg.matches("<svg").count(), 3);
        assert_eq!(svg.matches("</svg>").count(), 3);
        for odd in [vec![], vec![1.0], vec![0.0; 3], vec![f32::MAX, f32::MIN, -1.0]] {
            assert!(!energy_curves(&[("energy", odd)]).unwrap().contains("NaN"));
        }
    }
}

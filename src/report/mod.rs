//! The report of a run: one HTML file that needs nothing else, to look at, print or send.

mod chart;
mod confusion;
mod curves;
pub mod descent;
mod html;
pub mod palette;
mod pictures;
mod tables;
mod thresholds;

use std::path::Path;

use crate::Result;
use crate::io::atomic::write_atomic;
use crate::metrics::{Confusion, Row, Thresholds};

/// What a report shows. Parts that are empty are left out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// The resolved configuration, as TOML.
    pub config_toml: String,
    /// What it ran on, in a line or a few.
    pub hardware: String,
    /// Names and values about the model: parameters, memory, and so on.
    pub model: Vec<(String, String)>,
    /// The run's log; numbers named `loss` and `dice` are drawn as curves, others below them.
    pub history: Vec<Row>,
    /// The final scores, as JSON; objects and arrays become tables.
    pub scores: serde_json::Value,
    /// All pixels counted by truth and prediction.
    pub confusion: Option<Confusion>,
    /// Of a binary model, what other thresholds would do.
    pub thresholds: Option<Thresholds>,
    /// How many of the pictures are simply the first; those after them are the worst of the others. 0: all are alike.
    pub first: usize,
    /// Pictures with their masks, in the order in which they are to be shown.
    pub pictures: Vec<PictureRow>,
}

/// A picture with what it should have become and what it became. Rows first, channels last.
#[derive(Clone, Debug, Default)]
pub struct PictureRow {
    /// Its name.
    pub id: String,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values a pixel: 3 are shown as red, green and blue; of others the first is shown as grey.
    pub channels: usize,
    /// height x width x channels values, 0 to 1; stretched to that if any lies outside.
    pub picture: Vec<f32>,
    /// height x width classes; 0 is the background.
    pub truth: Vec<u8>,
    /// height x width classes.
    pub prediction: Vec<u8>,
    /// Its Dice, 0 to 1; `None` where undefined. The best and the worst are marked.
    pub dice: Option<f64>,
}

impl Report {
    /// Writes the report to the file `path`, atomically.
    ///
    /// # Errors
    /// As [`Report::render`]; [`Error::Io`](crate::Error::Io) if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomic(path, self.render()?.as_bytes())
    }

    /// The report as HTML.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if a picture's values do not fill its size,
    /// [`Error::Check`](crate::Error::Check) if something cannot be drawn.
    pub fn render(&self) -> Result<String> {
        let body = [
            html::header(&self.title, &self.hardware),
            html::section("Curves", &curves::render(&self.history)?),
            html::section("Scores", &tables::scores(&self.scores)),
            html::section("Confusion", &confusion::render(self.confusion.as_ref())),
            html::section("Thresholds", &thresholds::render(self.thresholds.as_ref())?),
            html::section("Pictures", &pictures::render(&self.pictures, self.first)?),
            html::section("Model", &tables::pairs(&self.model)),
            html::section("Configuration", &html::listing(&self.config_toml)),
        ];
        Ok(html::page(&self.title, &body.concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Empty, Phase, RocAuc, summarise};
    use serde_json::json;

    /// A disc as truth, a shifted disc as prediction, and a noisy picture of the disc.
    fn case(id: &str, side: usize, shift: f32, classes: u8) -> PictureRow {
        let disc = |shift: f32| -> Vec<u8> {
            let centre = side as f32 / 2.0;
            (0..side * side)
                .map(|i| {
                    let (y, x) = ((i / side) as f32 - centre, (i % side) as f32 - centre - shift);
                    let inside = (x * x + y * y).sqrt() < centre * 0.6;
                    if !inside { 0 } else { 1 + u8::from(classes > 2 && y > 0.0) }
                })
                .collect()
        };
        let (truth, prediction) = (disc(0.0), disc(shift * side as f32));
        let noise = |i: usize| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as f32 / 1500.0;
        let picture = (0..side * side * 3)
            .map(|i| 0.15 + 0.2 * f32::from(truth[i / 3]) + 0.1 * (i % 3) as f32 + noise(i))
            .collect();
        let dice = Confusion::of(3, &prediction, &truth).unwrap().scores(Empty::Skip).macro_foreground.dice;
        PictureRow { id: id.into(), width: side, height: side, channels: 3, picture, truth, prediction, dice }
    }

    fn ranking() -> RocAuc {
        let mut auc = RocAuc::default();
        let p: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.618).fract()).collect();
        let truth: Vec<u8> =
            p.iter().enumerate().map(|(i, p)| u8::from(p + ((i * 7) % 10) as f32 * 0.05 > 0.8)).collect();
        auc.add(&p, &truth, 1).unwrap();
        auc
    }

    fn example() -> Report {
        let mut history = Vec::new();
        for step in 1..=1500u64 {
            let wave = (step as f64 * 12.9898).sin() * 0.04;
            let loss = 0.12 + 0.7 * (-(step as f64) / 350.0).exp() + wave;
            history.push(Row::new(Phase::Train, step / 100, step).with("loss", loss).with("lr", 2e-4));
            if step % 100 == 0 {
                let dice = 0.91 - 0.6 * (-(step as f64) / 300.0).exp() + wave * 0.4;
                history.push(
                    Row::new(Phase::Val, step / 100, step)
                        .with("loss", loss - wave + 0.05)
                        .with("dice", dice),
                );
            }
        }
        let pictures = vec![
            case("cell_01.png", 96, 0.03, 2),
            case("cell_02.png", 96, 0.12, 3),
            case("large & <odd>.png", 700, 0.3, 2),
            case("cell_04.png", 96, 0.0, 3),
        ];
        let counted: Vec<Confusion> =
            pictures.iter().map(|p| Confusion::of(3, &p.prediction, &p.truth).unwrap()).collect();
        Report {
            title: "R2AttU-Net on <cells>".into(),
            config_toml: "[model]\nname = \"r2attunet\"\nwidths = [8, 16, 32]\n\n[optim]\nlr = 0.0002\n"
                .into(),
            hardware: "Example GPU, Vulkan, driver 1.2.3; 8 GiB".into(),
            model: vec![
                ("Parameters".into(), "39,442,925".into()),
                ("Memory, training".into(), "2.1 GiB".into()),
            ],
            history,
            scores: serde_json::to_value(summarise(3, &counted, Empty::Skip).unwrap()).unwrap(),
            confusion: Some(counted[0].clone()),
            thresholds: ranking().thresholds(),
            first: 3,
            pictures,
        }
    }

    #[test]
    fn a_report_holds_everything_and_fetches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        example().write(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        // To look at it: name a file in this variable.
        if let Ok(copy) = std::env::var("GYRE_EXAMPLE_REPORT") {
            std::fs::write(copy, &text).unwrap();
        }
        for wanted in
            ["R2AttU-Net on &lt;cells&gt;", "39,442,925", "Example GPU", "large &amp; &lt;odd&gt;.png"]
        {
            assert!(text.contains(wanted), "{wanted}");
        }
        for heading in ["Curves", "Scores", "Confusion", "Thresholds", "Pictures", "Model", "Configuration"] {
            assert_eq!(text.matches(&format!("<h2>{heading}</h2>")).count(), 1, "{heading}");
        }
        assert!(text.find("odd&gt;.png") < text.find("<h3>The worst"), "after the third");
        assert_eq!(text.matches("data:image/png;base64,").count(), 16);
        assert_eq!((text.matches(">best<").count(), text.matches(">worst<").count()), (1, 1));
        // Only the name space of SVG, which nobody fetches, may look like an address.
        let addresses = text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !addresses.contains("http") && !addresses.contains("<script") && !addresses.contains("@import")
        );
        assert!(!text.contains("<cells>") && !text.contains("<odd>"));
    }

    #[test]
    fn an_empty_report_is_a_page_without_sections() {
        let text = Report { title: "x".into(), ..Report::default() }.render().unwrap();
        assert!(text.starts_with("<!DOCTYPE html>") && text.ends_with("</html>\n"));
        assert!(!text.contains("<h2>"));
    }

    #[test]
    fn a_picture_that_does_not_fill_its_size_is_refused() {
        for spoil in [
            (|p| p.picture.truncate(5)) as fn(&mut PictureRow),
            |p| p.truth.truncate(5),
            |p| p.prediction.clear(),
            |p| p.width = 0,
            |p| p.channels = 0,
            |p| p.width = usize::MAX,
        ] {
            let mut report = example();
            spoil(&mut report.pictures[1]);
            let error = report.render().unwrap_err().to_string();
            assert!(error.contains("cell_02.png"), "{error}");
        }
    }

    #[test]
    fn other_scores_than_a_summary_are_shown_too() {
        let scores =
            json!({"note": "<b>", "folds": [{"dice": 0.5, "name": "a"}, {"dice": null}], "list": [1, 2.5]});
        let text = Report { scores, ..Report::default() }.render().unwrap();
        for wanted in ["&lt;b&gt;", "0.5000", "<td>–</td>", "2.5000"] {
            assert!(text.contains(wanted), "{wanted}");
        }
    }
}

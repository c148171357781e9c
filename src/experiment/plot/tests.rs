use super::*;
use crate::experiment::testing::{chance, results, spec};

const PLOTS: &str = r#"plots = [
    { name = "bars", title = "IoU by noise", kind = "bars", series = "model", along = "noise", over = "again", overlaid = true, scores = ["iou_micro"] },
    { name = "beside", title = "Side by side", kind = "bars", series = "model", along = "noise", over = "again", scores = ["iou_micro", "precision.1"] },
    { name = "few", title = "Without steps", kind = "bars", series = "model", along = "noise", scores = ["iou_micro"], where = { again = "T=20" } },
    { name = "grid", title = "Significantly best", kind = "grid", series = "model", along = "noise", scores = ["iou_micro", "precision", "recall"] },
    { name = "class-grid", title = "Significantly best by class", kind = "grid", series = "model", along = "class", scores = ["precision", "recall"] },
    { name = "lines", title = "Each class", kind = "lines", series = "model", along = "noise", scores = ["precision", "recall"], each_class = true },
    { name = "iterations", title = "Iterations", kind = "lines", series = "model", along = "again", scores = ["iou_micro", "kappa"] },
]"#;

/// SOM best by far at noise 80, all alike at 10, plain at 20.
fn scene() -> Results {
    results(spec(PLOTS), |model, noise, iterations, seed| {
        let extra = match (model, noise as i64) {
            ("SOM", 80) => 0.2,
            ("plain", 20) => 0.1,
            _ => 0.0,
        };
        let salt = model.len() as u64 + model.as_bytes()[0] as u64;
        0.7 - 2e-3 * noise + extra + 1e-3 * iterations.unwrap_or(10.0) + 0.02 * chance(seed, salt)
    })
}

fn drawn(name: &str) -> Picture {
    let results = scene();
    let plot = results.spec.plots.iter().find(|plot| plot.name == name).unwrap();
    let picture = plot.draw(&results).unwrap().unwrap();
    // To look at them: name a folder in this variable.
    if let Ok(folder) = std::env::var("GYRE_EXAMPLE_PLOTS") {
        std::fs::write(format!("{folder}/{name}.svg"), &picture.svg).unwrap();
    }
    assert!(picture.svg.starts_with("<svg") && picture.svg.trim_end().ends_with("</svg>"), "{name}");
    picture
}

fn colour_of(series: usize) -> String {
    let [r, g, b] = SERIES[series];
    format!("#{r:02X}{g:02X}{b:02X}")
}

#[test]
fn every_kind_names_what_it_shows() {
    for name in ["bars", "beside", "few", "grid", "class-grid", "lines", "iterations"] {
        let picture = drawn(name);
        for label in ["plain", "SOM", "CRF"] {
            assert!(picture.svg.contains(label), "{name} lacks {label}");
        }
        (0..3)
            .for_each(|series| assert!(picture.svg.contains(&colour_of(series)), "{name}, series {series}"));
        assert!(!picture.svg.contains("NaN") && picture.csv.lines().count() > 3, "{name}");
    }
}

#[test]
fn bars_stand_for_means() {
    let picture = drawn("bars");
    // Three places, two steps, three series.
    assert_eq!(picture.csv.lines().count(), 1 + 3 * 2 * 3);
    assert!(picture.csv.starts_with("score,noise,iterations,model,mean,sd,n\n"));
    let line = picture.csv.lines().find(|l| l.contains("noise 80,T=20,SOM")).unwrap();
    let mean: f64 = line.split(',').nth(4).unwrap().parse().unwrap();
    let right = 0.7 - 0.16 + 0.2 + 0.02;
    assert!((mean - right / (2.0 - right)).abs() < 0.02 && line.ends_with(",5"), "{line}");
}

#[test]
fn grids_show_what_is_significant() {
    let csv = drawn("grid").csv;
    let of =
        |noise: &str| csv.lines().find(|l| l.contains("(micro)") && l.contains(noise)).unwrap().to_owned();
    assert!(of("noise 80").contains(",SOM,") && of("noise 80").ends_with(",yes"), "{}", of("noise 80"));
    assert!(of("noise 20").contains(",plain,") && of("noise 20").ends_with(",yes"));
    assert!(of("noise 10").ends_with(",no"), "{}", of("noise 10"));
    assert_eq!(csv.lines().count(), 1 + 3 * 3 * 2);
    let classes = drawn("class-grid");
    assert!(
        classes.svg.contains("vessel") && classes.svg.contains("catheter") && !classes.svg.contains("ground")
    );
}

#[test]
fn curves_have_a_panel_a_class() {
    let picture = drawn("lines");
    for heading in ["precision, vessel", "recall, vessel", "precision, catheter", "recall, catheter"] {
        assert!(picture.svg.contains(heading), "{heading}");
    }
    assert_eq!(picture.csv.lines().count(), 1 + 4 * 3 * 3);
}

#[test]
fn without_scores_there_is_nothing_to_draw() {
    let mut results = scene();
    results.seen.retain(|seen| seen.labels[0] == "SOM" && seen.seed == 0);
    for plot in &results.spec.plots {
        // One seed of one series: no spread, nothing to test, no panic.
        assert!(plot.draw(&results).unwrap().unwrap().svg.contains("<svg"), "{}", plot.name);
    }
    results.seen.clear();
    assert!(results.spec.plots.iter().all(|plot| plot.draw(&results).unwrap().is_none()));
}

#[test]
fn mistakes_are_named() {
    let base = "title = \"t\"\ncolumns = [\"dice\"]\n[[axes]]\nname = \"m\"\nlevels = [{ label = \"a\", set = {} }]\n\
                [[axes]]\nname = \"n\"\nlevels = [{ label = \"c\", set = {} }]\n";
    let plot = "{ name = \"p\", title = \"t\", kind = \"bars\", series = \"m\", along = \"n\", scores = [\"dice\"] }";
    let fails = |from: &str, to: &str, part: &str| {
        let text = format!("plots = [{}]\n{base}", plot.replace(from, to));
        let message = Spec::parse(&text).unwrap_err().to_string();
        assert!(message.contains(part), "{message} lacks {part}");
    };
    assert!(Spec::parse(&format!("plots = [{plot}]\n{base}")).is_ok());
    fails("\"p\"", "\"../p\"", "no name for a plot");
    fails("series = \"m\"", "series = \"q\"", "\"q\" is no axis");
    fails("series = \"m\"", "series = \"again\"", "series");
    fails("along = \"n\"", "along = \"m\"", "three things");
    fails("along = \"n\"", "along = \"class\"", "grids alone");
    fails("[\"dice\"]", "[]", "scores");
    fails("\"bars\"", "\"pie\"", "pie");
    fails("\"bars\",", "\"lines\", overlaid = true,", "for bars alone");
    fails("\"bars\",", "\"bars\", range = [1.0, 0.0],", "range");
    fails("\"bars\",", "\"bars\", where = { n = \"z\" },", "no level \"z\"");
}

#[test]
fn axes_have_round_steps() {
    assert_eq!([step(1.0), step(0.5), step(7.0), step(90.0)], [0.2, 0.1, 2.0, 20.0]);
}

//! Results without any run, for tests.

use super::{Results, Seen, Spec, Which};
use crate::metrics::{Confusion, Empty, Summary, summarise};

/// Three models, of which two are evaluated again, three levels of noise, five seeds; `more` is added to the file.
pub fn spec(more: &str) -> Spec {
    let text = format!(
        r#"
        title = "t"
        columns = ["iou_micro"]
        seeds = [0, 1, 2, 3, 4]
        again_name = "iterations"
        as_trained = "T=5"
        classes = ["ground", "vessel", "catheter"]
        {more}
        [[axes]]
        name = "model"
        levels = [{{ label = "plain", set = {{}} }}, {{ label = "SOM", set = {{}} }}, {{ label = "CRF", set = {{}} }}]
        [[axes]]
        name = "noise"
        levels = [{{ label = "noise 10", set = {{}} }}, {{ label = "noise 20", set = {{}} }}, {{ label = "noise 80", set = {{}} }}]
        [[again]]
        label = "T=0"
        set.train.threshold = 0.1
        for = ["SOM", "CRF"]
        [[again]]
        label = "T=20"
        set.train.threshold = 0.2
        for = ["SOM", "CRF"]
        "#
    );
    Spec::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

/// Scores of three classes of 100000 pixels each, of which `right` is the share that is right.
pub fn summary(right: f64) -> Summary {
    let good = (right * 1e5).round() as u64;
    let bad = (100_000 - good) / 2;
    let counts: Vec<u64> = (0..9).map(|i| if i % 4 == 0 { good } else { bad }).collect();
    summarise(3, &[Confusion::from_counts(3, &counts).unwrap()], Empty::Skip).unwrap()
}

/// Results whose share of right pixels is a function of model, noise, iterations (of what is evaluated once: none) and seed.
pub fn results(spec: Spec, right: impl Fn(&str, f64, Option<f64>, u64) -> f64) -> Results {
    let (mut rows, mut seen) = (Vec::new(), Vec::new());
    for combination in spec.combinations() {
        let labels: Vec<String> = combination.iter().map(|level| level.label.clone()).collect();
        let ways = if labels[0] == "plain" {
            vec![Which::Anyhow]
        } else {
            vec![Which::AsTrained, Which::Again(0), Which::Again(1)]
        };
        for which in ways {
            rows.push((labels.clone(), which));
            for &seed in &spec.seeds {
                let iterations = match which {
                    Which::Anyhow => None,
                    Which::AsTrained => Some(5.0),
                    Which::Again(which) => spec.again[which].value(),
                };
                let share = right(&labels[0], combination[1].value().unwrap(), iterations, seed);
                let (labels, folder) = (labels.clone(), "f".to_owned());
                seen.push(Seen {
                    labels,
                    seed,
                    which,
                    folder,
                    steps: 1,
                    scores: summary(share),
                    footprint: None,
                });
            }
        }
    }
    let done = (rows.len(), rows.len());
    Results { spec, rows, seen, done }
}

/// A number from -0.5 to 0.5 that stands for chance.
pub fn chance(seed: u64, salt: u64) -> f64 {
    let mixed = (seed * 7919 + salt * 104_729 + 13).wrapping_mul(2_654_435_761) % 100_003;
    mixed as f64 / 100_003.0 - 0.5
}

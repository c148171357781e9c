//! Cross-validation: a run for each fold, and what they come to together.

use std::{fs, path::PathBuf, sync::Arc};

use super::{Evaluation, Outcome, RunOptions, Setup, Shown, config::Config, run, trained};
use crate::{
    Error, Result,
    gpu::Context,
    infer::Looks,
    io::{
        atomic::write_atomic,
        csv::{csv_line, csv_number},
    },
    metrics::Summary,
};

/// What all folds came to.
#[derive(Clone, Debug)]
pub struct Folds {
    /// Of each fold its run.
    pub outcomes: Vec<Outcome>,
    /// The scores of all folds' models together, their probabilities averaged, on the test pictures where there are any.
    pub ensemble: Option<Summary>,
}

/// The scores in a table of folds.
pub const SCORES: [&str; 6] = ["dice", "iou", "precision", "recall", "hd95", "auc"];

/// The run folders of the folds below that of a cross-validation; none where it has none.
pub fn fold_folders(config: &Config) -> Vec<PathBuf> {
    (0..config.data.folds).map(|fold| config.train.out.join(format!("fold{fold}"))).collect()
}

/// Trains every fold that `data.folds` says, as runs in `fold0`, `fold1` and on below the run folder, one after another;
/// tells `done` of each. `config.toml` and `folds.csv` are written beside them.
///
/// # Errors
/// [`Error::Config`] where there are no folds, or the run folder holds a run itself; what a run raises. Folds that are done
/// stay, and a resumed cross-validation goes on from them.
pub fn run_folds(
    context: &Arc<Context>,
    config: &Config,
    options: &RunOptions,
    mut done: impl FnMut(usize, &Outcome),
) -> Result<Folds> {
    let folder = &config.train.out;
    if config.data.folds < 2 {
        return Err(Error::Config("data.folds is 0; set it to how many folds there are to be, as 5".into()));
    }
    if ["last.safetensors", "best.safetensors"].iter().any(|name| folder.join(name).exists()) {
        let folder = folder.display();
        return Err(Error::Config(format!("{folder} holds a run of its own; give another train.out")));
    }
    let mut outcomes = Vec::new();
    for (fold, out) in fold_folders(config).into_iter().enumerate() {
        let mut config = config.clone();
        (config.data.fold, config.train.out) = (fold, out);
        outcomes.push(run(context, &config, options)?);
        if fold == 0 {
            // What prediction reads; written once a run is known to be possible.
            let mut whole = config.clone();
            (whole.data.fold, whole.train.out) = (0, folder.clone());
            fs::create_dir_all(folder).map_err(Error::io(folder))?;
            write_atomic(folder.join("config.toml"), whole.to_toml()?.as_bytes())?;
        }
        done(fold, &outcomes[fold]);
    }
    let folds = Folds { ensemble: ensemble(context, config)?, outcomes };
    write_atomic(folder.join("folds.csv"), folds.csv().as_bytes())?;
    Ok(folds)
}

/// The scores of all folds' models together on the test pictures. No model has learnt from these, whereas those for
/// validation are known to all models but one.
fn ensemble(context: &Arc<Context>, config: &Config) -> Result<Option<Summary>> {
    let setup = Setup::new(config)?;
    let data = setup.open_data(config)?;
    if data.split.test.is_empty() {
        return Ok(None);
    }
    let evaluation = Evaluation {
        config,
        setup: &setup,
        dataset: &*data.dataset,
        shown: Shown::default(),
        looks: Looks::default(),
        thorough: true,
    };
    let predictors = trained(context, &setup, config, &[])?;
    Ok(Some(evaluation.of(predictors, &data.split.test)?.summary))
}

/// The scores of a table, pooled over all pixels but for the distance of surfaces, in the order of [`SCORES`].
fn scores(summary: &Summary) -> [Option<f64>; 6] {
    let v = &summary.pooled.macro_foreground;
    let hd95 = summary.surface.as_ref().and_then(|s| s.hd95);
    [v.dice, v.iou, v.precision, v.recall, hd95, summary.auc]
}

impl Folds {
    /// A row a fold, their mean and sample deviation, and the ensemble: name, pictures, [`SCORES`].
    pub fn rows(&self) -> Vec<(String, Option<usize>, [Option<f64>; 6])> {
        let each: Vec<_> = self.outcomes.iter().map(|outcome| scores(&outcome.scores)).collect();
        let rows = self.outcomes.iter().zip(&each).enumerate();
        let mut rows: Vec<_> = rows
            .map(|(fold, (outcome, scores))| (format!("fold{fold}"), Some(outcome.scores.images), *scores))
            .collect();
        let column = |i: usize| each.iter().filter_map(|scores| scores[i]).collect::<Vec<f64>>();
        rows.push(("mean".to_owned(), None, std::array::from_fn(|i| mean(&column(i)))));
        rows.push(("sd".to_owned(), None, std::array::from_fn(|i| deviation(&column(i)))));
        let ensemble = self.ensemble.iter().map(|s| ("ensemble".to_owned(), Some(s.images), scores(s)));
        rows.extend(ensemble);
        rows
    }

    /// The rows as a table.
    pub fn csv(&self) -> String {
        let header = ["fold", "pictures"].into_iter().chain(SCORES).map(str::to_owned);
        let line = |(name, pictures, scores): (String, Option<usize>, [Option<f64>; 6])| {
            let pictures = pictures.map(|n| n.to_string()).unwrap_or_default();
            csv_line([name, pictures].into_iter().chain(scores.map(csv_number)))
        };
        csv_line(header) + &self.rows().into_iter().map(line).collect::<String>()
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample deviation; none of one value.
fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let sum: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (sum / (values.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread() {
        assert_eq!((mean(&[]), deviation(&[3.0])), (None, None));
        assert_eq!((mean(&[1.0, 2.0, 6.0]), deviation(&[1.0, 2.0, 6.0])), (Some(3.0), Some(7f64.sqrt())));
    }
}

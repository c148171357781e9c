//! Evaluating a trained cell again, with other keys: more steps of a recurrence, another threshold, noisier pictures.

use std::{fs, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::Table;

use super::{
    Spec,
    spec::{filled, number_in},
    sweep::{Cell, Choice, named},
};
use crate::{
    Error, Result,
    gpu::Context,
    infer::Looks,
    io::atomic::write_atomic,
    metrics::Summary,
    train::{Evaluation, Outcome, Setup, Shown, config::Config, trained},
};

/// A way to evaluate cells once they are trained: their best weights, the same test pictures, other keys.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// What tables call it.
    pub label: String,
    /// Config keys, after everything else. Keys that training alone reads, and those that would change which pictures
    /// are for testing, are refused.
    pub set: Table,
    /// Only cells with one of these labels are evaluated so; empty: all.
    #[serde(default, rename = "for")]
    pub only_for: Vec<String>,
    /// Where it lies on an axis of numbers; the first number of its label where it is not given.
    pub at: Option<f64>,
}

/// Sections that training alone reads.
const TRAINING: [&str; 3] = ["augment", "loss", "optim"];
/// Keys of `train` that evaluation reads, too.
const READ: [&str; 3] = ["train.batch", "train.empty_masks", "train.threshold"];
/// Keys that decide which pictures are for testing.
const PARTS: [&str; 8] = [
    "data.split",
    "data.group",
    "data.group_start",
    "data.val_fraction",
    "data.test_fraction",
    "data.folds",
    "data.fold",
    "data.fold_seed",
];

impl Again {
    /// Where it lies, if that is known.
    pub fn value(&self) -> Option<f64> {
        self.at.or_else(|| number_in(&self.label))
    }

    /// Whether a cell of these labels is evaluated so.
    pub fn is_for(&self, labels: &[String]) -> bool {
        self.only_for.is_empty() || self.only_for.iter().any(|label| labels.contains(label))
    }

    /// Its keys as overrides, `section.key=value`, so that they come after all others.
    fn overrides(set: &Table) -> Vec<String> {
        let section = |(section, keys): (&String, &toml::Value)| match keys.as_table() {
            Some(keys) => keys.iter().map(|(key, value)| format!("{section}.{key}={value}")).collect(),
            None => vec![format!("{section}={keys}")],
        };
        set.iter().flat_map(section).collect()
    }
}

/// Whether the entries make sense; `labels` are all levels, sorted.
pub(super) fn check(spec: &Spec, labels: &[&str]) -> Result<(), String> {
    for (at, again) in spec.again.iter().enumerate() {
        if again.label == spec.as_trained || spec.again[..at].iter().any(|other| other.label == again.label) {
            return Err(format!("again: two ways to evaluate are called {:?}", again.label));
        }
        if let Some(label) = again.only_for.iter().find(|l| labels.binary_search(&l.as_str()).is_err()) {
            return Err(format!("again {}: there is no level {label:?}", again.label));
        }
        for set in Again::overrides(&again.set) {
            let key = set.split('=').next().unwrap_or_default();
            let section = key.split('.').next().unwrap_or_default();
            let training = TRAINING.contains(&section) || (section == "train" && !READ.contains(&key));
            if training || PARTS.contains(&key) || key.starts_with("data.shapes_") {
                let why = if training { "is of training alone" } else { "decides what is for testing" };
                return Err(format!("again {}: {key} {why}; make it a level of an axis", again.label));
            }
        }
    }
    Ok(())
}

/// A cell to be evaluated again.
#[derive(Clone, Debug)]
pub struct Evaluate {
    /// Which of the experiment's ways.
    pub which: usize,
    /// What it is called.
    pub label: String,
    /// The cell's config with other keys, and its folder.
    pub config: Config,
    /// The keys that differ from the cell's, a line each.
    changed: String,
}

/// What is kept of it, in the cell's folder.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The keys that differ from the cell's.
    changed: String,
    /// Digest of the cell's own scores: those of other weights do not count.
    of: String,
    /// Whether more than counted pixels was looked at.
    thorough: bool,
    scores: Summary,
}

impl Evaluate {
    /// All that are for a cell of these labels; `resolve` makes a config with more overrides.
    pub(super) fn all(
        spec: &Spec,
        choice: &Choice,
        labels: &[String],
        cell: &Config,
        resolve: impl Fn(Vec<String>) -> Result<Config>,
    ) -> Result<Vec<Self>> {
        let one = |(which, again): (usize, &Again)| {
            let mut config = resolve(Again::overrides(&filled(&again.set, spec, &choice.folders)?))
                .map_err(|e| named(&format!("again {}", again.label), e))?;
            config.train.out.clone_from(&cell.train.out);
            let changed = changed(cell, &config)?;
            Ok(Self { which, label: again.label.clone(), config, changed })
        };
        spec.again.iter().enumerate().filter(|(_, again)| again.is_for(labels)).map(one).collect()
    }

    /// Where its scores are kept.
    pub fn path(&self) -> PathBuf {
        self.config.train.out.join(format!("again-{}.json", digest(self.changed.as_bytes())))
    }

    /// Its scores, if they are of the weights that the cell has now; those of the cell itself where no key differs.
    ///
    /// # Errors
    /// [`Error::Data`] if a file cannot be understood, [`Error::Io`] if it cannot be read.
    pub fn scores(&self, cell: &Cell, thorough: bool) -> Result<Option<Summary>> {
        if self.changed.is_empty() {
            return Ok(cell.outcome()?.map(|outcome: Outcome| outcome.scores));
        }
        let path = self.path();
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let kept: Kept = serde_json::from_slice(&bytes)
            .map_err(|e| Error::data(&path, format!("{e}; remove it to evaluate the cell again")))?;
        let right = kept.of == self.of()? && kept.changed == self.changed && (kept.thorough || !thorough);
        Ok(right.then_some(kept.scores))
    }

    /// Evaluates the cell, which is trained, and keeps the scores; `thorough` as in [`Evaluation`].
    ///
    /// # Errors
    /// What weights, data or device raise; [`Error::Io`] where the scores cannot be written.
    pub fn run(&self, context: &Arc<Context>, thorough: bool) -> Result<Summary> {
        let (config, of) = (&self.config, self.of()?);
        let setup = Setup::new(config)?;
        let data = setup.open_data(config)?;
        let predictors = trained(context, &setup, config, &[])?;
        let (dataset, shown, looks) = (&*data.dataset, Shown::default(), Looks::default());
        let evaluation = Evaluation { config, setup: &setup, dataset, shown, looks, thorough };
        let scores = evaluation.of(predictors, data.split.judged())?.summary;
        let kept = Kept { changed: self.changed.clone(), of, thorough, scores };
        let json = serde_json::to_vec_pretty(&kept).map_err(|e| Error::Check(format!("scores: {e}")))?;
        write_atomic(self.path(), &json)?;
        Ok(kept.scores)
    }

    fn of(&self) -> Result<String> {
        let path = self.config.train.out.join("scores.json");
        Ok(digest(&fs::read(&path).map_err(Error::io(&path))?))
    }
}

/// The keys of `config` that differ from those of `cell`, a line each; no `=` is for a default.
fn changed(cell: &Config, config: &Config) -> Result<String> {
    let set = config.changed()?;
    let line = |key: &String| {
        let begin = format!("{key} =");
        let line = set.lines().find(|line| line.starts_with(&begin)).unwrap_or(key);
        format!("{line}\n")
    };
    Ok(config.differences(cell)?.iter().map(line).collect())
}

/// The first half of a hash, as text.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_overrides_and_changes_are_told() {
        let set: Table =
            "train.threshold = 0.25\ndata = { size = [64, 64], mask_pattern = \"a=b\" }".parse().unwrap();
        let overrides = Again::overrides(&set);
        assert_eq!(
            overrides,
            ["data.mask_pattern=\"a=b\"", "data.size=[64, 64]", "train.threshold=0.25"].map(str::to_owned)
        );
        let cell = Config::from_toml("train.threshold = 0.75", &[]).unwrap();
        let other = Config::from_toml("", &["train.batch=3".into()]).unwrap();
        assert_eq!(changed(&cell, &other).unwrap(), "train.batch = 3\ntrain.threshold\n");
        assert_eq!(changed(&cell, &cell).unwrap(), "");
    }

    #[test]
    fn entries_are_for_some_cells_or_all() {
        let mut again = Again { label: "T=40".into(), set: Table::new(), only_for: vec![], at: None };
        let labels = ["SOM".to_owned(), "noise 10".to_owned()];
        assert!(again.is_for(&labels) && again.value() == Some(40.0));
        again.only_for = vec!["CRF".into()];
        assert!(!again.is_for(&labels));
        again.only_for.push("SOM".into());
        assert!(again.is_for(&labels));
    }
}

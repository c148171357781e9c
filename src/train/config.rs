//! What a run is to do, as a tree of documented keys: read from TOML, overridden key by key, checked, written
//! back.
//!
//! A key is declared once, with its type, default and documentation, in `sections`; reading, writing,
//! [`Config::explain`] and the defaults all come from that declaration.

mod curriculum;
mod descent;
mod load;
mod losses;
pub mod presets;
mod sections;
mod validate;
mod values;

use serde::Serialize;

pub use curriculum::CurriculumConfig;
pub use descent::DescentConfig;
pub use losses::Losses;
pub use sections::{AugmentConfig, DataConfig, LossConfig, ModelConfig, OptimConfig, TrainConfig};
pub use values::{
    AxisName, ClassReduction, ClassWeighting, Compatibility, DataKind, EdgeFilterName, EmptyMasks,
    EncoderName, EnergyName, Fit, GateAct, GradientThrough, Init, Judge, LossName, LossScope, MaskCoding,
    ModelName, NoiseSpace, Normalise, OptimName, OrderName, PacingName, Padding, Partial, PenaltyForm,
    Precision, RetrievalName, RuleName, Schedule, SeenName, Size, UnitName,
};

use crate::{Error, Result};

/// Everything a run is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    /// The network.
    pub model: ModelConfig,
    /// What its beliefs descend.
    pub descent: DescentConfig,
    /// Pictures and masks.
    pub data: DataConfig,
    /// How training pictures are changed.
    pub augment: AugmentConfig,
    /// In which order is learnt.
    pub curriculum: CurriculumConfig,
    /// What is minimised.
    pub loss: Losses,
    /// How it is minimised.
    pub optim: OptimConfig,
    /// The run.
    pub train: TrainConfig,
}

/// One key, for `--help`-like listings and the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Section and name, with a dot between.
    pub key: &'static str,
    /// What values it takes, in words.
    pub kind: String,
    /// Its default, as TOML.
    pub default: String,
    /// What it does.
    pub doc: &'static str,
}

impl Config {
    /// Every key with its type, default and documentation, in the order in which [`Config::to_toml`] has
    /// them.
    pub fn explain() -> Vec<Key> {
        let config = Self::default();
        [
            config.model.keys(),
            config.descent.keys(),
            config.data.keys(),
            config.augment.keys(),
            config.curriculum.keys(),
            config.loss.keys(),
            config.optim.keys(),
            config.train.keys(),
        ]
        .concat()
    }

    /// The whole configuration as TOML, every key with its value. Reading it back gives an equal
    /// configuration.
    ///
    /// # Errors
    /// [`Error::Config`] if a number is beyond what TOML holds, which [`Config::validate`] refuses too.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::Config(format!("cannot be written as TOML: {e}")))
    }

    /// Keys whose values differ from those of `other`.
    ///
    /// # Errors
    /// As [`Self::to_toml`].
    pub fn differences(&self, other: &Self) -> Result<Vec<String>> {
        let (mine, others) = (self.table()?, other.table()?);
        let keys = Self::explain().into_iter().map(|key| key.key);
        let mut differ: Vec<_> =
            keys.filter(|key| value(&mine, key) != value(&others, key)).map(str::to_owned).collect();
        // Lists of losses are compared as a whole.
        if [self, other].iter().any(|config| config.loss.0.len() != 1) {
            differ.retain(|key| !key.starts_with("loss."));
            differ.extend((self.loss != other.loss).then(|| LossConfig::SECTION.to_owned()));
        }
        Ok(differ)
    }

    /// The keys that are not at their defaults, a line each.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that TOML cannot hold.
    pub fn changed(&self) -> Result<String> {
        let table = self.table()?;
        let line = |key: &String| {
            let set = value(&table, key).or_else(|| table.get(key).cloned());
            format!("{key} = {}\n", set.map(|v| v.to_string()).unwrap_or_default())
        };
        Ok(self.differences(&Self::default())?.iter().map(line).collect())
    }

    fn table(&self) -> Result<toml::Table> {
        toml::Table::try_from(self).map_err(|e| Error::Config(format!("cannot be written as TOML: {e}")))
    }

    /// Sets one key. `None` if there is no such key; an error in words if the value does not fit it.
    fn set(&mut self, section: &str, key: &str, value: &toml::Value) -> Option<Result<(), String>> {
        match section {
            ModelConfig::SECTION => self.model.set(key, value),
            DescentConfig::SECTION => self.descent.set(key, value),
            DataConfig::SECTION => self.data.set(key, value),
            AugmentConfig::SECTION => self.augment.set(key, value),
            CurriculumConfig::SECTION => self.curriculum.set(key, value),
            LossConfig::SECTION => self.loss.set(key, value),
            "" if key == LossConfig::SECTION => Some(self.loss.set_all(value)),
            OptimConfig::SECTION => self.optim.set(key, value),
            TrainConfig::SECTION => self.train.set(key, value),
            _ => None,
        }
    }
}

/// What a table says of `section.name`.
fn value(table: &toml::Table, key: &str) -> Option<toml::Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_explained_keys_are_the_written_ones() {
        let table: toml::Table = Config::default().to_toml().unwrap().parse().unwrap();
        let written: BTreeSet<String> = table
            .iter()
            .flat_map(|(section, keys)| {
                keys.as_table().unwrap().keys().map(move |key| format!("{section}.{key}"))
            })
            .collect();
        let explained = Config::explain();
        assert_eq!(written, explained.iter().map(|key| key.key.to_owned()).collect());
        for key in explained {
            assert!(!key.doc.is_empty() && !key.kind.is_empty(), "{}", key.key);
            let value: toml::Table = format!("v = {}", key.default).parse().unwrap();
            let (section, name) = key.key.split_once('.').unwrap();
            assert_eq!(table[section][name], value["v"], "{}", key.key);
        }
    }

    #[test]
    fn what_is_changed_is_told_and_nothing_else() {
        assert_eq!(Config::default().changed().unwrap(), "");
        let set = "[optim]\nlr = 0.5\n[data]\nnormalise = { mean = [0.5, 0.5, 0.5], std = [1.0, 1.0, 1.0] }";
        let changed = Config::from_toml(set, &[]).unwrap().changed().unwrap();
        assert_eq!(
            changed,
            "data.normalise = { mean = [0.5, 0.5, 0.5], std = [1.0, 1.0, 1.0] }\noptim.lr = 0.5\n"
        );
        let several = "loss = [{ name = \"bce\" }, { name = \"dice\", weight = 2.0 }]";
        let changed = Config::from_toml(several, &[]).unwrap().changed().unwrap();
        assert!(changed.starts_with("loss = [{") && changed.lines().count() == 1, "{changed}");
    }

    #[test]
    fn toml_round_trips_exactly() {
        let mut config = Config::default();
        config.optim.lr = 0.1 + 0.2;
        config.optim.eps = 5e-324;
        config.data.size = Size { height: 96, width: 160 };
        config.data.normalise =
            Normalise::Given { mean: vec![0.1, 0.2, 1.0 / 3.0], std: vec![1.0, 2.0, 3.0] };
        config.data.colours = vec![[0, 0, 0], [255, 0, 128]];
        config.train.out = "runs/a \"quoted\" \\ name\n".into();
        config.train.seed = i64::MAX as u64;
        let text = config.to_toml().unwrap();
        let back = Config::from_toml(&text, &[]).unwrap();
        assert_eq!(back, config);
        assert_eq!(back.to_toml().unwrap(), text);
    }

    #[test]
    fn every_model_has_its_own_defaults_and_they_survive_writing() {
        for (name, _) in ModelName::ALL {
            let config = Config::from_toml(&format!("model.name = \"{name}\""), &[]).unwrap();
            assert_eq!(config.model.name.name(), *name);
            assert_eq!(Config::from_toml(&config.to_toml().unwrap(), &[]).unwrap(), config);
        }
        let gate = Config::from_toml("model.name = \"rrattunet\"\nmodel.gate_bn = true", &[]).unwrap().model;
        assert_eq!((gate.gate_act, gate.gate_bn, gate.init), (GateAct::Tanh, true, Init::He));
        let of = |keys: &str| {
            Config::from_toml(&format!("model.name = \"efficientunetpp\"\n{keys}"), &[]).unwrap()
        };
        let lite = of("model.encoder = \"lite0\"");
        assert_eq!(lite.model.encoder_bn_eps, 1e-3);
        assert_eq!(Config::from_toml(&lite.to_toml().unwrap(), &[]).unwrap(), lite);
        let eps = of("model.encoder = \"lite0\"\nmodel.encoder_bn_eps = 1e-5").model.encoder_bn_eps;
        assert_eq!((of("").model.encoder_bn_eps, eps), (1e-5, 1e-5));
        assert_eq!(Config::default().model, ModelConfig::of(ModelName::R2AttUNet));
    }
}

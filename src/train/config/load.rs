//! Reading a configuration: file, overrides, and what to say about a key that does not exist.

use std::path::Path;

use toml::{Table, Value};

use super::{Config, LossConfig, ModelConfig};
use crate::{Error, Result};

/// Keys that set the defaults of others.
const NAMES: [&str; 3] = ["model.name", "model.encoder", "loss.name"];

/// One key to set, and where it was asked for.
struct Assignment {
    /// As written: `section.key`.
    key: String,
    value: Value,
    /// The raw text of an override: `train.out=2024` is a number as TOML, but may be meant as text.
    raw: Option<String>,
}

impl Config {
    /// Reads the TOML file at `path`, then applies `overrides`, each `section.key=value` with a TOML value
    /// (text may go without quotes), and checks the outcome. Keys that are not given keep their defaults.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Config`] naming the key if one is unknown (with the
    /// nearest right one), or has a value of a wrong type or out of range.
    pub fn load(path: impl AsRef<Path>, overrides: &[String]) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Self::from_toml(&text, overrides).map_err(|error| match error {
            Error::Config(message) => Error::Config(format!("{}: {message}", path.display())),
            other => other,
        })
    }

    /// Like [`Config::load`], from the text of a file.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_toml(text: &str, overrides: &[String]) -> Result<Self> {
        Self::from_layers(&[text], overrides)
    }

    /// Like [`Config::from_toml`], from several texts: what a later one gives replaces what an earlier one does.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_layers(texts: &[&str], overrides: &[String]) -> Result<Self> {
        let mut all = Vec::new();
        for text in texts {
            all.extend(from_table(text.parse().map_err(|e: toml::de::Error| Error::Config(e.to_string()))?)?);
        }
        for text in overrides {
            all.push(from_override(text)?);
        }
        let mut config = Self::default();
        // The names of network, encoder and loss come first: they set the defaults of their sections.
        for assignment in all.iter().filter(|a| NAMES.contains(&a.key.as_str())) {
            config.apply(assignment)?;
        }
        config.model = ModelConfig::of(config.model.name).with_encoder(config.model.encoder);
        config.loss.0 = config.loss.0.iter().map(|loss| LossConfig::of(loss.name)).collect();
        for assignment in &all {
            config.apply(assignment)?;
        }
        config.validate()?;
        Ok(config)
    }

    fn apply(&mut self, Assignment { key, value, raw }: &Assignment) -> Result<()> {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let complaint = match self.set(section, name, value) {
            None => return Err(unknown(key)),
            Some(Ok(())) => return Ok(()),
            Some(Err(complaint)) => complaint,
        };
        let as_text = raw.as_ref().and_then(|raw| self.set(section, name, &Value::String(raw.clone())));
        if let Some(Ok(())) = as_text { Ok(()) } else { Err(Error::Config(format!("{key}: {complaint}"))) }
    }
}

fn from_table(table: Table) -> Result<Vec<Assignment>> {
    let mut all = Vec::new();
    for (section, value) in table {
        match value {
            Value::Table(keys) if sections().contains(&section.as_str()) => {
                all.extend(keys.into_iter().map(|(key, value)| Assignment {
                    key: format!("{section}.{key}"),
                    value,
                    raw: None,
                }));
            }
            Value::Table(_) => return Err(unknown_section(&section)),
            Value::Array(_) if section == LossConfig::SECTION => {
                all.push(Assignment { key: section, value, raw: None });
            }
            _ if sections().contains(&section.as_str()) => {
                return Err(Error::Config(format!("{section}: expected a section of keys, found {value}")));
            }
            _ => return Err(unknown(&section)),
        }
    }
    Ok(all)
}

fn from_override(text: &str) -> Result<Assignment> {
    let Some((key, raw)) = text.split_once('=') else {
        return Err(Error::Config(format!("override {text:?}: expected section.key=value")));
    };
    let (key, raw) = (key.trim(), raw.trim());
    // Exactly one key: a text with a line break must not smuggle in others.
    let parsed = format!("value = {raw}").parse::<Table>().ok().filter(|table| table.len() == 1);
    let value =
        parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::String(raw.to_owned()));
    Ok(Assignment { key: key.to_owned(), value, raw: Some(raw.to_owned()) })
}

fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> =
        Config::explain().iter().filter_map(|k| Some(k.key.split_once('.')?.0)).collect();
    sections.dedup();
    sections
}

fn unknown_section(name: &str) -> Error {
    let sections = sections();
    match nearest(name, sections.iter().copied()) {
        Some(near) => Error::Config(format!("unknown section [{name}]; did you mean [{near}]?")),
        None => Error::Config(format!("unknown section [{name}]; there are {}", sections.join(", "))),
    }
}

fn unknown(key: &str) -> Error {
    let explained = Config::explain();
    let bare = key.rsplit('.').next().unwrap_or(key);
    // The right name in the wrong section is likelier than a near name in the right one.
    let elsewhere =
        explained.iter().map(|known| known.key).find(|known| known.split('.').nth(1) == Some(bare));
    if let Some(near) = elsewhere.or_else(|| nearest(key, explained.iter().map(|known| known.key))) {
        return Error::Config(format!("unknown key {key:?}; did you mean {near:?}?"));
    }
    let section = key.split_once('.').map_or("", |(section, _)| section);
    let inside: Vec<&str> = explained
        .iter()
        .filter_map(|known| known.key.split_once('.'))
        .filter(|(known, _)| *known == section)
        .map(|(_, name)| name)
        .collect();
    if inside.is_empty() {
        return Error::Config(format!(
            "unknown key {key:?}; keys belong to one of {}",
            sections().join(", ")
        ));
    }
    Error::Config(format!("unknown key {key:?}; [{section}] has {}", inside.join(", ")))
}

/// The candidate with the fewest typing errors, if they are few for the length of the word.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (distance, best) = candidates.map(|candidate| (distance(word, candidate), candidate)).min()?;
    (distance <= (word.chars().count() / 3).max(1)).then_some(best)
}

/// Letters to insert, delete, replace, or swap with a neighbour, to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::{LossName, Normalise, Size};

    fn with(overrides: &[&str]) -> Result<Config> {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Config::from_toml("", &overrides)
    }

    fn complaint(text: &str) -> String {
        Config::from_toml(text, &[]).unwrap_err().to_string()
    }

    #[test]
    fn distances() {
        for (a, b, wanted) in
            [("", "abc", 3), ("width", "widths", 1), ("lr", "rl", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), wanted, "{a} {b}");
            assert_eq!(distance(b, a), wanted, "{b} {a}");
        }
    }

    #[test]
    fn files_and_overrides_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        std::fs::write(&path, "[optim]\nlr = 1\n[data]\nsize = [128, 64]\n[train]\nbatch = 8\n").unwrap();
        let config = Config::load(&path, &["train.batch=2".into(), "loss.name = dice".into()]).unwrap();
        assert_eq!((config.optim.lr, config.train.batch), (1.0, 2));
        assert_eq!(config.data.size, Size { height: 128, width: 64 });
        assert_eq!(config.loss.0[0].name, LossName::Dice);
        let error = Config::load(&path, &["optim.lr=-1".into()]).unwrap_err().to_string();
        assert!(error.contains("c.toml") && error.contains("optim.lr"), "{error}");
        assert!(matches!(Config::load(folder.path().join("none"), &[]), Err(Error::Io { .. })));
    }

    #[test]
    fn overrides_take_any_toml_value_and_bare_text() {
        let config = with(&[
            "model.widths=[8, 16]",
            "data.channels=1",
            "model.in_channels=1",
            "data.normalise={mean=[0.5],std=[0.25]}",
            "train.out=2024",
            "data.mask_pattern=a=b{stem}",
            "optim.nesterov=true",
        ])
        .unwrap();
        assert_eq!(config.model.widths, [8, 16]);
        assert_eq!(config.data.normalise, Normalise::Given { mean: vec![0.5], std: vec![0.25] });
        assert_eq!(config.train.out, std::path::PathBuf::from("2024"));
        assert_eq!(config.data.mask_pattern, "a=b{stem}");
        assert!(config.optim.nesterov);
        assert!(with(&["train.batch"]).unwrap_err().to_string().contains("section.key=value"));
        assert_eq!(with(&["train.out=a\nb = 2"]).unwrap().train.out, std::path::PathBuf::from("a\nb = 2"));
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest() {
        assert_eq!(
            complaint("[model]\nwidth = [1]"),
            r#"config: unknown key "model.width"; did you mean "model.widths"?"#
        );
        assert!(complaint("model.lr = 1").contains(r#"did you mean "optim.lr"?"#));
        assert!(complaint("lr = 1").contains(r#"did you mean "optim.lr"?"#));
        assert!(complaint("[modle]\nt = 1").contains("did you mean [model]?"));
        assert!(complaint("[zzz]\nt = 1").contains("model, descent, data, augment, curriculum, loss, optim, train"));
        assert!(complaint("loss.zzzzzzz = 1").contains("[loss] has name, weight, alpha"));
        assert!(complaint("loss = 1").contains("loss: expected a section"));
        assert!(with(&["train.sede=1"]).unwrap_err().to_string().contains(r#""train.seed""#));
        assert!(with(&["zzz=1"]).unwrap_err().to_string().contains("keys belong to one of"));
    }

    #[test]
    fn wrong_types_name_the_key_and_what_is_expected() {
        assert!(complaint("model.t = -1").contains("model.t: expected integer >= 0, found -1"));
        assert!(complaint("model.t = \"two\"").contains("found \"two\""));
        assert!(complaint("model.name = \"vnet\"").contains(r#""r2attunet" | "unet""#));
        assert!(complaint("data.normalise = \"none\"").contains("zscore"));
        assert!(complaint("data.normalise = {mean = [0], std = [1], x = 1}").contains("data.normalise"));
        assert!(complaint("data.colours = [[0, 0, 256]]").contains("0 to 255"));
        assert!(complaint("[model\nt = 1").contains("line 1"));
        assert!(with(&["train.batch=2.5"]).unwrap_err().to_string().contains("found 2.5"));
    }
}

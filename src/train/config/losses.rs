//! The losses of a run: one section, or a list of such.

use serde::{Serialize, Serializer};

use super::{Key, LossConfig, values::take};

/// Losses that are added up. In files one alone is the section `[loss]`, several are `[[loss]]` or a list of tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Losses(pub Vec<LossConfig>);

impl Default for Losses {
    fn default() -> Self {
        Self(vec![LossConfig::default()])
    }
}

impl Serialize for Losses {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(to),
            all => all.serialize(to),
        }
    }
}

impl Losses {
    pub(super) fn keys(&self) -> Vec<Key> {
        LossConfig::default().keys()
    }

    /// Sets a key of the only loss.
    pub(super) fn set(&mut self, key: &str, value: &toml::Value) -> Option<Result<(), String>> {
        match self.0.as_mut_slice() {
            [one] => one.set(key, value),
            all => LossConfig::default().set(key, value).map(|_| {
                let count = all.len();
                Err(format!(
                    "there are {count} losses; give all of them, as loss = [{{ name = \"bce\" }}, ..]"
                ))
            }),
        }
    }

    /// Replaces all losses by those of a list of tables.
    pub(super) fn set_all(&mut self, value: &toml::Value) -> Result<(), String> {
        let tables = value.as_array().filter(|all| !all.is_empty());
        let tables =
            tables.ok_or_else(|| format!("expected a section of keys or a list of such, found {value}"))?;
        self.0 = tables.iter().map(one).collect::<Result<_, _>>()?;
        Ok(())
    }
}

fn one(value: &toml::Value) -> Result<LossConfig, String> {
    let table = value.as_table().ok_or_else(|| format!("expected a section of keys, found {value}"))?;
    // The name sets the defaults of the other keys.
    let mut loss = match table.get("name") {
        Some(name) => LossConfig::of(take(name)?),
        None => LossConfig::default(),
    };
    for (key, value) in table {
        match loss.set(key, value) {
            Some(done) => done.map_err(|complaint| format!("{key}: {complaint}"))?,
            None => {
                let known: Vec<&str> =
                    loss.keys().iter().filter_map(|k| Some(k.key.split_once('.')?.1)).collect();
                return Err(format!("unknown key {key:?}; a loss has {}", known.join(", ")));
            }
        }
    }
    Ok(loss)
}

#[cfg(test)]
mod tests {
    use crate::train::config::{Config, LossName};

    #[test]
    fn several_losses_are_read_and_written() {
        let text = "loss = [{ name = \"bce\", weight = 0.5 }, { name = \"focal\" }]";
        let config = Config::from_toml(text, &[]).unwrap();
        let [bce, focal] = &config.loss.0[..] else { panic!("{:?}", config.loss) };
        assert_eq!((bce.name, bce.weight, focal.name), (LossName::Bce, 0.5, LossName::Focal));
        assert_eq!((focal.alpha, focal.gamma), (0.25, 2.0), "each loss has its own defaults");
        assert_eq!(Config::from_toml(&config.to_toml().unwrap(), &[]).unwrap(), config);
        let same = Config::from_toml("", &[text.replacen("loss = ", "loss=", 1)]).unwrap();
        assert_eq!(same, config);
        let other = Config::from_toml(&text.replace("0.5", "0.6"), &[]).unwrap();
        assert_eq!(config.differences(&other).unwrap(), ["loss"]);
        assert_eq!(config.differences(&Config::default()).unwrap(), ["loss"]);
    }

    #[test]
    fn a_list_that_is_none_is_refused() {
        let complaint = |text: &str, set: &[&str]| {
            let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
            Config::from_toml(text, &set).unwrap_err().to_string()
        };
        assert!(complaint("loss = []", &[]).contains("list"));
        assert!(complaint("loss = [1]", &[]).contains("found 1"));
        assert!(complaint("loss = [{ nam = 1 }]", &[]).contains("unknown key \"nam\""));
        assert!(complaint("loss = [{ name = \"dise\" }]", &[]).contains("\"dice\""));
        assert!(complaint("loss = [{ alpha = \"x\" }]", &[]).contains("alpha"));
        assert!(complaint("loss = [{ alpha = -1 }, {}]", &[]).contains("loss.alpha"));
        let two = "loss = [{ name = \"bce\" }, { name = \"dice\" }]";
        assert!(complaint(two, &["loss.smooth=2"]).contains("2 losses"));
        assert!(complaint(two, &["loss.smoth=2"]).contains("loss.smooth"));
    }
}

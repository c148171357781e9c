//! What an experiment is: a TOML file of what is kept, what varies, and what was published of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use super::Column;
use crate::{Error, Result};

/// Experiments that ship with the program: name and text.
const BUILTIN: [(&str, &str); 2] = [
    ("table1", include_str!("../../assets/experiments/table1.toml")),
    ("table2", include_str!("../../assets/experiments/table2.toml")),
];

/// The text of an experiment that ships with the program.
///
/// # Errors
/// [`Error::Config`] for a name that is none, with those there are.
pub fn builtin(name: &str) -> Result<&'static str> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).ok_or_else(|| {
        let names: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
        Error::Config(format!("there is no file and no experiment {name:?}; there are {}", names.join(", ")))
    })
}

/// An experiment as its file has it. Text `$name` in a config key stands for the folder that the user gives for `name`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The heading of its tables.
    pub title: String,
    /// A preset that every config begins with.
    pub preset: Option<String>,
    /// Data folders that the user names, and what they are.
    #[serde(default)]
    pub needs: BTreeMap<String, String>,
    /// What the tables show.
    pub columns: Vec<Column>,
    /// Config keys of all cells, after the preset's.
    #[serde(default)]
    pub base: Table,
    /// What varies; the cells are all combinations.
    pub axes: Vec<Axis>,
    /// Seeds (`train.seed`) of the repeats of every cell.
    #[serde(default = "one_seed")]
    pub seeds: Vec<u64>,
    /// Named changes of all of it, such as one for small machines.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
    /// Numbers to stand beside.
    #[serde(default)]
    pub published: Vec<Published>,
    /// Pictures to be made.
    #[serde(default)]
    pub figures: Vec<Shown>,
}

/// One thing that varies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// What it is.
    pub name: String,
    /// What it takes on.
    pub levels: Vec<Level>,
}

/// A value of an axis.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// What tables call it; no other level of the experiment has it.
    pub label: String,
    /// Config keys.
    pub set: Table,
}

/// Changes of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is for.
    #[serde(default)]
    pub about: String,
    /// Config keys of all cells.
    #[serde(default)]
    pub base: Table,
    /// Config keys by label of a level, after everything else.
    #[serde(default)]
    pub levels: BTreeMap<String, Table>,
    /// Seeds instead of the experiment's.
    pub seeds: Option<Vec<u64>>,
}

/// Published numbers of a cell.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its labels, in the order of the axes.
    pub cell: Vec<String>,
    /// Columns and numbers.
    pub scores: BTreeMap<Column, f64>,
}

/// A picture of what the models of some cells predict.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// Name of the file, `<name>.png`.
    pub name: String,
    /// The labels of the cell, of its first seed.
    pub cell: Vec<String>,
    /// Columns: pictures of the test part.
    pub pictures: usize,
}

fn one_seed() -> Vec<u64> {
    vec![0]
}

impl Spec {
    /// Reads an experiment.
    ///
    /// # Errors
    /// [`Error::Config`] for what is no TOML, has unknown or missing keys, names labels that are none, or has no cell.
    pub fn parse(text: &str) -> Result<Self> {
        let spec: Self = toml::from_str(text).map_err(|e| Error::Config(e.to_string()))?;
        spec.check().map_err(Error::Config)?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), String> {
        let plain = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if self.axes.is_empty() || self.axes.iter().any(|axis| axis.levels.is_empty()) {
            return Err("every experiment has axes, and every axis levels".into());
        }
        if self.columns.is_empty() {
            return Err("columns: name one at least".into());
        }
        let mut labels: Vec<&str> =
            self.axes.iter().flat_map(|a| &a.levels).map(|level| level.label.as_str()).collect();
        labels.sort_unstable();
        if let Some(twice) = labels.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("two levels are called {:?}", twice[0]));
        }
        for seeds in [Some(&self.seeds)].into_iter().chain(self.profiles.values().map(|p| p.seeds.as_ref())) {
            if seeds.is_some_and(Vec::is_empty) {
                return Err("seeds: name one at least".into());
            }
        }
        for (name, profile) in &self.profiles {
            if let Some(label) = profile.levels.keys().find(|l| labels.binary_search(&l.as_str()).is_err()) {
                return Err(format!("profile {name}: there is no level {label:?}"));
            }
        }
        let cells = self.published.iter().map(|p| &p.cell).chain(self.figures.iter().map(|f| &f.cell));
        for cell in cells {
            let known = |(label, axis): (&String, &Axis)| axis.levels.iter().any(|l| l.label == *label);
            if cell.len() != self.axes.len() || !cell.iter().zip(&self.axes).all(known) {
                return Err(format!("{cell:?} names no cell: one label of each axis, in their order"));
            }
        }
        match self.figures.iter().find(|figure| !plain(&figure.name)) {
            Some(odd) => Err(format!("{:?} is no name for a figure: letters, digits, - and _", odd.name)),
            None => Ok(()),
        }
    }

    /// The experiment as one of its profiles changes it.
    ///
    /// # Errors
    /// [`Error::Config`] for a profile that it lacks, with those it has.
    pub fn profile(&self, name: &str) -> Result<&Profile> {
        self.profiles.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            Error::Config(format!("the experiment has no profile {name:?}; it has: {}", names.join(", ")))
        })
    }

    /// All combinations of levels, the last axis running fastest.
    pub fn combinations(&self) -> Vec<Vec<&Level>> {
        self.axes.iter().fold(vec![Vec::new()], |all, axis| {
            let longer =
                |start: &Vec<_>| axis.levels.iter().map(|level| [start, &[level][..]].concat()).collect();
            all.iter().flat_map::<Vec<_>, _>(longer).collect()
        })
    }
}

/// `table` with every text `$name` replaced by the folder given for `name`.
///
/// # Errors
/// [`Error::Config`] naming a folder that is not given.
pub(super) fn filled(table: &Table, spec: &Spec, folders: &BTreeMap<String, String>) -> Result<Table> {
    let mut table = table.clone();
    for (_, value) in &mut table {
        fill(value, spec, folders)?;
    }
    Ok(table)
}

fn fill(value: &mut Value, spec: &Spec, folders: &BTreeMap<String, String>) -> Result<()> {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix('$') {
                *text = folders.get(name).cloned().ok_or_else(|| {
                    let what = spec.needs.get(name).map_or("a folder", String::as_str);
                    Error::Config(format!("the experiment needs {what}: give --data {name}=FOLDER"))
                })?;
            }
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, spec, folders))?,
        Value::Table(keys) => keys.iter_mut().try_for_each(|(_, item)| fill(item, spec, folders))?,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
        title = "t"
        columns = ["dice"]
        seeds = [1, 2]
        [[axes]]
        name = "net"
        levels = [{ label = "a", set = { model.name = "unet" } }, { label = "b", set = {} }]
        [[axes]]
        name = "rate"
        levels = [{ label = "slow", set = { optim.lr = 0.1 } }, { label = "fast", set = { optim.lr = 1.0 } }]
    "#;

    #[test]
    fn combinations_are_all_of_them_in_order() {
        let spec = Spec::parse(SMALL).unwrap();
        let labels: Vec<String> = spec
            .combinations()
            .iter()
            .map(|c| c.iter().map(|l| l.label.as_str()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(labels, ["a slow", "a fast", "b slow", "b fast"]);
    }

    #[test]
    fn mistakes_are_named() {
        let fails = |from: &str, to: &str, part: &str| {
            let message = Spec::parse(&SMALL.replace(from, to)).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        };
        fails("\"b\"", "\"a\"", "two levels are called \"a\"");
        fails("[1, 2]", "[]", "seeds");
        fails("title = \"t\"", "", "title");
        fails("columns = [\"dice\"]", "columns = [\"mood\"]", "mood");
        fails("seeds =", "seed =", "seed");
        let more = |text: &str| Spec::parse(&format!("{SMALL}\n{text}")).unwrap_err().to_string();
        assert!(more("[[published]]\ncell = [\"a\"]\nscores = { dice = 0.5 }").contains("names no cell"));
        assert!(more("[profiles.p.levels.c]\n").contains("there is no level \"c\""));
        assert!(
            more("[[figures]]\nname = \"../x\"\ncell = [\"a\", \"slow\"]\npictures = 2").contains("../x")
        );
    }

    #[test]
    fn folders_are_filled_in_and_missed() {
        let mut spec = Spec::parse(SMALL).unwrap();
        spec.needs.insert("cells".into(), "pictures of cells".into());
        let table: Table = "data = { root = \"$cells\", size = [64, 64] }".parse().unwrap();
        let missing = filled(&table, &spec, &BTreeMap::new()).unwrap_err().to_string();
        assert!(missing.contains("pictures of cells") && missing.contains("--data cells="), "{missing}");
        let folders = BTreeMap::from([("cells".to_owned(), "x/y".to_owned())]);
        assert_eq!(filled(&table, &spec, &folders).unwrap()["data"]["root"].as_str(), Some("x/y"));
    }

    #[test]
    fn what_ships_is_valid() {
        for (name, text) in BUILTIN {
            let spec = Spec::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(spec.profiles.contains_key("reduced") && spec.profiles.contains_key("paper"), "{name}");
        }
        assert!(builtin("none").unwrap_err().to_string().contains("table1"));
    }
}

//! What an experiment is: a TOML file of what is kept, what varies, and what was published of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use super::{Again, Claim, Column, Plot, TwoStageSpec, check};
use crate::{Error, Result};

/// Experiments that ship with the program: name and text.
const BUILTIN: [(&str, &str); 10] = [
    ("table1", include_str!("../../assets/experiments/table1.toml")),
    ("table2", include_str!("../../assets/experiments/table2.toml")),
    ("noise", include_str!("../../assets/experiments/noise.toml")),
    ("samples", include_str!("../../assets/experiments/samples.toml")),
    ("noise_angiography", include_str!("../../assets/experiments/noise_angiography.toml")),
    ("samples_angiography", include_str!("../../assets/experiments/samples_angiography.toml")),
    ("sigrenet", include_str!("../../assets/experiments/sigrenet.toml")),
    ("efficiency", include_str!("../../assets/experiments/efficiency.toml")),
    ("twostage", include_str!("../../assets/experiments/twostage.toml")),
    ("twostage_chase", include_str!("../../assets/experiments/twostage_chase.toml")),
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

/// The names and texts of the experiments that ship with the program.
pub fn builtins() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILTIN.into_iter()
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
    /// In which other ways a cell is evaluated once it is trained.
    #[serde(default)]
    pub again: Vec<Again>,
    /// What varies among those.
    #[serde(default = "again_name")]
    pub again_name: String,
    /// What the evaluation that training ends with is called among them.
    #[serde(default = "as_trained")]
    pub as_trained: String,
    /// What the classes are called, the background first.
    #[serde(default)]
    pub classes: Vec<String>,
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
    /// Drawings of the scores.
    #[serde(default)]
    pub plots: Vec<Plot>,
    /// Which runs are stages of which, to be evaluated together.
    pub two_stage: Option<TwoStageSpec>,
    /// What is said of the scores, to be held against them.
    #[serde(default)]
    pub claims: Vec<Claim>,
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
    /// Where it lies on an axis of numbers; the first number of its label where it is not given.
    pub at: Option<f64>,
}

impl Level {
    /// Where it lies, if that is known.
    pub fn value(&self) -> Option<f64> {
        self.at.or_else(|| number_in(&self.label))
    }
}

/// The first number of a text.
pub(super) fn number_in(text: &str) -> Option<f64> {
    let from = &text[text.find(|c: char| c.is_ascii_digit())?..];
    let end = from.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(from.len());
    from[..end].trim_end_matches('.').parse().ok()
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
    /// Levels instead of the experiment's, by name of an axis.
    #[serde(default)]
    pub axes: BTreeMap<String, Vec<Level>>,
    /// Evaluations instead of the experiment's.
    pub again: Option<Vec<Again>>,
    /// What the training's own evaluation is called among them.
    pub as_trained: Option<String>,
    /// What the classes are called.
    pub classes: Option<Vec<String>>,
    /// Seeds instead of the experiment's.
    pub seeds: Option<Vec<u64>>,
}

/// Published numbers of a cell.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Its labels, in the order of the axes.
    pub cell: Vec<String>,
    /// Which of the ways to evaluate it; none: as training ends.
    pub again: Option<String>,
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

fn again_name() -> String {
    "again".into()
}

fn as_trained() -> String {
    "as trained".into()
}

impl Spec {
    /// Reads an experiment.
    ///
    /// # Errors
    /// [`Error::Config`] for what is no TOML, has unknown or missing keys, names labels that are none, or has no cell.
    pub fn parse(text: &str) -> Result<Self> {
        let spec: Self = toml::from_str(text).map_err(|e| Error::Config(e.to_string()))?;
        check::check(&spec).map_err(Error::Config)?;
        Ok(spec)
    }

    /// The experiment with the levels, evaluations, names of classes and seeds of a profile.
    pub fn changed_by(&self, profile: &Profile) -> Self {
        let mut spec = self.clone();
        for axis in &mut spec.axes {
            if let Some(levels) = profile.axes.get(&axis.name) {
                axis.levels.clone_from(levels);
            }
        }
        let Profile { again, as_trained, classes, seeds, .. } = profile.clone();
        spec.again = again.unwrap_or(spec.again);
        spec.as_trained = as_trained.unwrap_or(spec.as_trained);
        spec.classes = classes.unwrap_or(spec.classes);
        spec.seeds = seeds.unwrap_or(spec.seeds);
        spec
    }

    /// The changes of one of its profiles.
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
        assert!(more("[profiles.p.axes]\nsize = []").contains("there is no axis \"size\""));
        assert!(more("[profiles.p.axes]\nrate = []").contains("profile p"));
        assert!(more("[profiles.p.axes]\nrate = [{ label = \"a\", set = {} }]").contains("called \"a\""));
        let again =
            |rest: &str| more(&format!("[[again]]\nlabel = \"T=1\"\nset.train.threshold = 0.5\n{rest}"));
        assert!(again("for = [\"c\"]").contains("\"c\""));
        assert!(again("[[again]]\nlabel = \"T=1\"\nset = {}").contains("T=1"));
        assert!(more("[[again]]\nlabel = \"x\"\nset.optim.lr = 1.0").contains("optim.lr"));
        assert!(more("[[again]]\nlabel = \"x\"\nset.data.val_fraction = 0.5").contains("data.val_fraction"));
    }

    #[test]
    fn a_profile_replaces_levels_by_axis() {
        let text = format!(
            "{SMALL}\n[profiles.p]\nclasses = [\"ground\"]\n[profiles.p.axes]\nrate = [{{ label = \"7\", set = {{}} }}]"
        );
        let spec = Spec::parse(&text).unwrap();
        let small = spec.changed_by(spec.profile("p").unwrap());
        assert_eq!((spec.combinations().len(), small.combinations().len()), (4, 2));
        assert_eq!((small.axes[1].levels[0].value(), small.classes.len()), (Some(7.0), 1));
    }

    #[test]
    fn labels_have_numbers() {
        let of = ["T=40", "noise 0.5", "|D| = 320.", "a", "2 of 3"].map(number_in);
        assert_eq!(of, [Some(40.0), Some(0.5), Some(320.0), None, Some(2.0)]);
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

    #[test]
    fn the_experiments_on_recurrency_are_whole() {
        for (name, cells, rows) in [
            ("noise", [40, 12], [6, 3]),
            ("samples", [24, 12], [6, 3]),
            ("noise_angiography", [44, 12], [6, 3]),
            ("samples_angiography", [28, 12], [6, 3]),
        ] {
            let spec = Spec::parse(builtin(name).unwrap()).unwrap();
            for ((profile, cells), rows) in ["paper", "reduced"].into_iter().zip(cells).zip(rows) {
                let view = spec.changed_by(spec.profile(profile).unwrap());
                assert_eq!((view.combinations().len(), view.again.len()), (cells, rows), "{name} {profile}");
            }
            assert!(spec.plots.len() >= 5 && spec.claims.len() >= 4, "{name}");
        }
    }
}

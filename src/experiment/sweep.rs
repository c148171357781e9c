//! The cells of an experiment, and the runs that fill them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use toml::Table;

use super::{
    Evaluate, Spec,
    again::digest,
    spec::{Profile, filled},
};
use crate::{
    Error, Result,
    gpu::Context,
    metrics::Summary,
    train::{
        self, Outcome, RunOptions, Setup,
        config::{Config, presets},
    },
};

/// What a user chooses of an experiment.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// A profile of the experiment.
    pub profile: Option<String>,
    /// The folders that it needs, by name.
    pub folders: BTreeMap<String, String>,
    /// Config keys for all cells, as `--set` has them, after everything else.
    pub overrides: Vec<String>,
    /// Seeds instead of the experiment's.
    pub seeds: Option<Vec<u64>>,
    /// Where cells, tables and figures go.
    pub out: PathBuf,
}

/// A part of the cells: the `index`-th of `of`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    pub index: usize,
    /// How many parts there are.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("expected i/n with 1 <= i <= n, as 2/8, and not {text:?}");
        let (index, of) = text.split_once('/').ok_or_else(wanted)?;
        let (index, of) = (index.parse().map_err(|_| wanted())?, of.parse().map_err(|_| wanted())?);
        if (1..=of).contains(&index) { Ok(Self { index, of }) } else { Err(wanted()) }
    }
}

/// One run of an experiment.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its level of each axis.
    pub labels: Vec<String>,
    /// Its seed.
    pub seed: u64,
    /// What it does. Its folder is named by the hash of all other keys, so that a cell whose config changes, or
    /// that another experiment has too, is known.
    pub config: Config,
    /// How it is evaluated again, once it is trained.
    pub again: Vec<Evaluate>,
}

impl Cell {
    /// What the run came to, if it is done.
    ///
    /// # Errors
    /// [`Error::Data`] if its scores cannot be understood, [`Error::Io`] if they cannot be read.
    pub fn outcome(&self) -> Result<Option<Outcome>> {
        let path = self.config.train.out.join("scores.json");
        if !path.exists() {
            return Ok(None);
        }
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let outcome = serde_json::from_slice(&bytes);
        outcome.map(Some).map_err(|e| Error::data(&path, format!("{e}; remove it to run the cell again")))
    }

    /// Its labels and seed in a line.
    pub fn name(&self) -> String {
        format!("{}, seed {}", self.labels.join(", "), self.seed)
    }
}

/// What became of a cell.
pub enum Event<'a> {
    /// It was trained.
    Trained(&'a Result<Outcome>),
    /// It was evaluated again.
    Again(&'a Evaluate, &'a Result<Summary>),
}

/// An experiment ready to run.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What was asked for, as the profile changes it.
    pub spec: Spec,
    /// All its runs, by combination and then by seed.
    pub cells: Vec<Cell>,
    /// Where everything goes.
    pub out: PathBuf,
}

impl Sweep {
    /// Resolves the configs of all cells.
    ///
    /// # Errors
    /// [`Error::Config`] naming the cell whose config is wrong, a profile or a folder that is not there.
    pub fn new(spec: Spec, choice: &Choice) -> Result<Self> {
        let empty = Profile::default();
        let profile = choice.profile.as_ref().map(|name| spec.profile(name)).transpose()?;
        let profile = profile.unwrap_or(&empty);
        let spec = spec.changed_by(profile);
        let seeds = choice.seeds.as_ref().unwrap_or(&spec.seeds);
        let mut cells = Vec::new();
        for combination in spec.combinations() {
            let mut layers: Vec<&Table> = vec![&spec.base, &profile.base];
            layers.extend(combination.iter().map(|level| &level.set));
            layers.extend(combination.iter().filter_map(|level| profile.levels.get(&level.label)));
            let labels: Vec<String> = combination.iter().map(|level| level.label.clone()).collect();
            for &seed in seeds {
                let of_cell = |e| named(&labels.join(", "), e);
                let with = |more: Vec<String>| resolve(&spec, &layers, choice, seed, more);
                let config = with(vec![]).map_err(of_cell)?;
                let again = Evaluate::all(&spec, choice, &labels, &config, with).map_err(of_cell)?;
                cells.push(Cell { labels: labels.clone(), seed, config, again });
            }
        }
        Ok(Self { cells, out: choice.out.clone(), spec })
    }

    /// Keeps the cells that have all these labels.
    ///
    /// # Errors
    /// [`Error::Config`] if none is left.
    pub fn only(mut self, labels: &[String]) -> Result<Self> {
        self.cells.retain(|cell| labels.iter().all(|label| cell.labels.contains(label)));
        match self.cells.is_empty() {
            true => Err(Error::Config(format!("no run of the experiment is of {}", labels.join(" and ")))),
            false => Ok(self),
        }
    }

    /// Runs the cells of a part that are not done, one after another, each from where it stopped; `before` is called
    /// before each. What is trained is evaluated again where that is not done. A cell that fails, or for which `before`
    /// fails, or in which another process is at work, does not keep the others from running: `after` hears of it.
    ///
    /// # Errors
    /// [`Error::Data`] if the scores of a cell that is done cannot be read.
    pub fn run(
        &self,
        context: &Arc<Context>,
        shard: Shard,
        mut before: impl FnMut(usize, &Cell) -> Result<()>,
        mut after: impl FnMut(&Cell, Event<'_>),
    ) -> Result<()> {
        let thorough = self.is_thorough();
        for (index, cell) in self.cells.iter().enumerate() {
            if index % shard.of + 1 != shard.index {
                continue;
            }
            if cell.outcome()?.is_none() {
                let options = RunOptions { resume: true, quiet: true, ..RunOptions::default() };
                let ran = before(index, cell).and_then(|()| train::run(context, &cell.config, &options));
                after(cell, Event::Trained(&ran));
                if ran.is_err() {
                    continue;
                }
            }
            for again in &cell.again {
                if again.scores(cell, thorough)?.is_none() {
                    after(cell, Event::Again(again, &again.run(context, thorough)));
                }
            }
        }
        Ok(())
    }

    /// Whether anything that is shown takes more than counted pixels.
    pub fn is_thorough(&self) -> bool {
        let of_plots = self.spec.plots.iter().flat_map(|plot| &plot.scores);
        let of_claims = self.spec.claims.iter().map(|claim| &claim.score);
        self.spec.columns.iter().chain(of_plots).chain(of_claims).any(|column| column.score.is_thorough())
    }
}

/// The error with what it is of before a message about keys.
pub(super) fn named(what: &str, error: Error) -> Error {
    match error {
        Error::Config(message) => Error::Config(format!("{what}: {message}")),
        other => other,
    }
}

/// `more` are overrides that come after all others.
fn resolve(spec: &Spec, layers: &[&Table], choice: &Choice, seed: u64, more: Vec<String>) -> Result<Config> {
    let mut texts =
        vec![spec.preset.as_deref().map(presets::text).transpose()?.unwrap_or_default().to_owned()];
    for layer in layers {
        let table = filled(layer, spec, &choice.folders)?;
        texts.push(toml::to_string(&table).map_err(|e| Error::Config(e.to_string()))?);
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    if let Some(seed) = choice.overrides.iter().find(|set| set.trim_start().starts_with("train.seed")) {
        return Err(Error::Config(format!("{seed}: an experiment has seeds of its own; give --seeds")));
    }
    let mut overrides = choice.overrides.clone();
    overrides.push(format!("train.seed={seed}"));
    overrides.extend(more);
    let mut config = Config::from_layers(&texts, &overrides)?;
    Setup::new(&config)?;
    config.train.out = cell_folder(&choice.out, &config)?;
    Ok(config)
}

/// Raised whenever a run of the same config comes to other numbers, as when a default changes, so that cells of before
/// are not taken for done.
const NUMBERS: u32 = 1;

/// `cells/<hash>` with the hash of every key that is not at its default, but for the folder itself and what changes no
/// number: cells stay done when new keys come.
fn cell_folder(out: &Path, config: &Config) -> Result<PathBuf> {
    let mut config = config.clone();
    let defaults = Config::default();
    config.train.out = PathBuf::new();
    // One folder, however it is written.
    config.data.root = config.data.root.canonicalize().unwrap_or(config.data.root);
    config.data.cache_mb = defaults.data.cache_mb;
    config.train.checkpoint_every = defaults.train.checkpoint_every;
    let name = digest(format!("{NUMBERS}\n{}", config.changed()?).as_bytes());
    Ok(out.join("cells").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = r#"
        title = "t"
        columns = ["dice"]
        seeds = [1, 2]
        base = { data.kind = "shapes" }
        profiles.small = { base = { train.max_steps = 3 }, levels.b = { optim.lr = 0.25 }, seeds = [7] }
        [[axes]]
        name = "net"
        levels = [
            { label = "a", set = { optim.lr = 0.5, data.root = "$cells" } },
            { label = "b", set = { optim.lr = 0.125 } },
        ]
    "#;

    fn choice() -> Choice {
        let folders = BTreeMap::from([("cells".to_owned(), "here".to_owned())]);
        Choice { folders, out: "o".into(), ..Choice::default() }
    }

    #[test]
    fn cells_have_their_keys_and_folders_of_their_own() {
        let sweep = Sweep::new(Spec::parse(SPEC).unwrap(), &choice()).unwrap();
        let seen: Vec<_> =
            sweep.cells.iter().map(|c| (c.name(), c.config.optim.lr, c.config.train.seed)).collect();
        let of = |name: &str, lr, seed| (format!("{name}, seed {seed}"), lr, seed);
        assert_eq!(seen, [of("a", 0.5, 1), of("a", 0.5, 2), of("b", 0.125, 1), of("b", 0.125, 2)]);
        let mut folders: Vec<_> = sweep.cells.iter().map(|c| c.config.train.out.clone()).collect();
        folders.dedup();
        assert_eq!(folders.len(), 4);
        assert_eq!(sweep.cells[0].config.data.root, Path::new("here"));
    }

    #[test]
    fn a_profile_changes_levels_and_seeds_and_the_user_has_the_last_word() {
        let spec = Spec::parse(SPEC).unwrap();
        let small = Choice { profile: Some("small".into()), ..choice() };
        let cells = Sweep::new(spec.clone(), &small).unwrap().cells;
        assert_eq!((cells.len(), cells[1].config.optim.lr, cells[1].seed), (2, 0.25, 7));
        let told = Choice { overrides: vec!["optim.lr=1".into()], seeds: Some(vec![3]), ..small.clone() };
        let cells = Sweep::new(spec.clone(), &told).unwrap().cells;
        assert_eq!((cells[0].config.optim.lr, cells[0].seed, cells[0].config.train.max_steps), (1.0, 3, 3));
        let none = Choice { profile: Some("large".into()), ..choice() };
        assert!(Sweep::new(spec, &none).unwrap_err().to_string().contains("small"));
    }

    #[test]
    fn folders_depend_on_what_changes_numbers_alone() {
        let folder = |set: &str| {
            let overrides = if set.is_empty() { vec![] } else { vec![set.to_owned()] };
            let choice = Choice { overrides, ..choice() };
            Sweep::new(Spec::parse(SPEC).unwrap(), &choice).unwrap().cells[0].config.train.out.clone()
        };
        assert_eq!(folder("data.cache_mb=5"), folder(""));
        assert_eq!(folder("train.out=elsewhere"), folder(""));
        assert_ne!(folder("optim.eps=1e-5"), folder(""));
    }

    #[test]
    fn evaluations_have_the_cells_folder_and_the_last_word() {
        let more = "[[again]]\nlabel = \"low\"\nset.train.threshold = 0.25\nfor = [\"b\"]\n\
                    [[again]]\nlabel = \"same\"\nset.train.threshold = 0.5\n";
        let spec = Spec::parse(&format!("{SPEC}\n{more}")).unwrap();
        let choice = Choice { overrides: vec!["train.threshold=0.5".into()], ..choice() };
        let cells = Sweep::new(spec, &choice).unwrap().cells;
        assert_eq!((cells[0].again.len(), cells[2].again.len()), (1, 2));
        let (low, same) = (&cells[2].again[0], &cells[2].again[1]);
        assert_eq!((low.label.as_str(), low.config.train.threshold), ("low", 0.25));
        assert_eq!(low.config.train.out, cells[2].config.train.out);
        assert!(low.path().starts_with(&low.config.train.out) && low.path() != same.path());
    }

    #[test]
    fn cells_are_chosen_by_label() {
        let sweep = Sweep::new(Spec::parse(SPEC).unwrap(), &choice()).unwrap();
        assert_eq!(sweep.clone().only(&["b".into()]).unwrap().cells.len(), 2);
        assert_eq!(sweep.clone().only(&[]).unwrap().cells.len(), 4);
        assert!(sweep.only(&["a".into(), "b".into()]).unwrap_err().to_string().contains("a and b"));
    }

    #[test]
    fn the_cells_of_what_ships_have_valid_configs() {
        for (name, text) in super::super::builtins() {
            let spec = Spec::parse(text).unwrap();
            let folders = spec.needs.keys().map(|need| (need.clone(), "here".to_owned())).collect();
            let choice = Choice { folders, out: "o".into(), ..Choice::default() };
            for profile in ["paper", "reduced"] {
                let choice = Choice { profile: Some(profile.into()), ..choice.clone() };
                let sweep =
                    Sweep::new(spec.clone(), &choice).unwrap_or_else(|e| panic!("{name} {profile}: {e}"));
                assert!(!sweep.cells.is_empty());
            }
        }
    }

    #[test]
    fn shards_are_read() {
        assert_eq!("2/8".parse(), Ok(Shard { index: 2, of: 8 }));
        for odd in ["0/2", "3/2", "1", "a/2", "1/0", "-1/2"] {
            assert!(odd.parse::<Shard>().is_err(), "{odd}");
        }
    }
}

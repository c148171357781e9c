//! Two trained runs as the stages of one: opening them, and scores, operations and time beside a third that sees whole pictures.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use serde::{Deserialize, Serialize};

use super::{
    Data, Evaluation, Setup, Shown,
    checkpoint::load_part,
    config::{Config, Size},
    is_cross_validation, kept,
};
use crate::{
    Error, Result,
    data::{Dataset, Fit, Grain, Picture, Split},
    gpu::Context,
    graph::{Shape, Weights},
    infer::{Looks, Mapper, Probabilities, TwoStagePredictor, TwoStageWhole, Whole, predictor, two_stage},
    metrics::{Summary, Times},
    models::{Doubt, TwoStage},
};

/// How patches are ranked, see [`Doubt`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DoubtName {
    /// By how unsure their pixels are.
    #[default]
    Mean,
    /// By how unsure their mean is.
    Reference,
    /// The same, and only those whose mean is within 0.25 of 0.5.
    Threshold,
}

/// What is enlarged, pasted and blended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MapName {
    /// Probabilities.
    #[default]
    Probabilities,
    /// Logits.
    Logits,
}

/// Which runs are the stages, and how they share the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TwoStageConfig {
    /// Run folder of the network that sees whole pictures made small.
    pub stage1: PathBuf,
    /// Run folder of the network that sees patches.
    pub stage2: PathBuf,
    /// Run folder of a network that sees whole pictures as they are, to compare with; empty: none.
    pub baseline: PathBuf,
    /// How many times smaller stage 1 sees pictures.
    pub factor: usize,
    /// Patches along a side: one number, or \[along a column, along a row\].
    pub grid: Size,
    /// How many patches are refined, at most by `doubt = "threshold"`; 0: none. Where it is not given as many as lie along a column,
    /// as in the paper, and by threshold all that are unsure enough. Stage 2 computes so many, whether they are or not.
    pub patches: Option<usize>,
    /// How patches are ranked.
    pub doubt: DoubtName,
    /// What is enlarged, pasted and blended.
    pub map: MapName,
    /// Pixels that stage 2 sees beyond each side of a patch, at least.
    pub overlap: usize,
    /// Whether refined patches are blended over the overlap into what is around them.
    pub blend: bool,
}

impl Default for TwoStageConfig {
    fn default() -> Self {
        Self {
            stage1: PathBuf::new(),
            stage2: PathBuf::new(),
            baseline: PathBuf::new(),
            factor: 8,
            grid: Size { height: 8, width: 8 },
            patches: None,
            doubt: DoubtName::Mean,
            map: MapName::Probabilities,
            overlap: 0,
            blend: false,
        }
    }
}

impl TwoStageConfig {
    /// From the text of a TOML file, with overrides `key=value`; text may go without quotes.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is unknown or whose value does not fit it.
    pub fn from_toml(text: &str, overrides: &[String]) -> Result<Self> {
        let fail = |message: String| Error::Config(format!("two stages: {message}"));
        let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| fail(e.to_string()))?;
        for set in overrides {
            let (key, raw) =
                set.split_once('=').ok_or_else(|| fail(format!("{set:?}: expected key=value")))?;
            let (key, raw) = (key.trim(), raw.trim());
            let parsed =
                format!("value = {raw}").parse::<toml::Table>().ok().filter(|table| table.len() == 1);
            let value = parsed.and_then(|mut table| table.remove("value"));
            table.insert(key.to_owned(), value.unwrap_or_else(|| toml::Value::String(raw.to_owned())));
        }
        let config: Self = table.try_into().map_err(|e: toml::de::Error| fail(e.message().to_owned()))?;
        for (key, path) in [("stage1", &config.stage1), ("stage2", &config.stage2)] {
            if path.as_os_str().is_empty() {
                return Err(fail(format!("{key} names no run folder")));
            }
        }
        Ok(config)
    }

    /// How many patches are refined, at most.
    pub fn refined(&self) -> usize {
        self.patches.unwrap_or(match self.doubt {
            DoubtName::Threshold => self.grid.height * self.grid.width,
            DoubtName::Mean | DoubtName::Reference => self.grid.height,
        })
    }
}

/// A trained run.
struct Run {
    config: Config,
    setup: Setup,
}

impl Run {
    fn open(folder: &Path) -> Result<Self> {
        let mut config = Config::load(folder.join("config.toml"), &[])?;
        // It may have been moved.
        config.train.out = folder.to_path_buf();
        if is_cross_validation(&config) && kept(folder).is_err() {
            let message = "holds the runs of folds; name one of them";
            return Err(Error::Config(format!("{} {message}", folder.display())));
        }
        Ok(Self { setup: Setup::new(&config)?, config })
    }

    fn folder(&self) -> &Path {
        &self.config.train.out
    }

    /// What both must read alike, since the pictures and masks of one are read for both: the first key in which they differ.
    fn differs(&self, other: &Self) -> Option<&'static str> {
        let [one, two] = [&self.config, &other.config];
        let alike = [
            ("data.channels", one.data.channels == two.data.channels),
            ("data.modalities", one.data.modalities == two.data.modalities),
            ("data.range", one.data.range == two.data.range),
            ("data.noise", one.data.noise_deviation() == two.data.noise_deviation()),
            ("model.classes", one.model.classes == two.model.classes),
        ];
        alike.into_iter().find(|(_, same)| !same).map(|(key, _)| key)
    }
}

/// Two trained runs as one.
pub struct Stages {
    runs: [Run; 2],
    baseline: Option<Run>,
    /// Both networks and how they share the work.
    pub model: TwoStage,
}

impl Stages {
    /// Reads the configs of both runs, and of the baseline where one is named.
    ///
    /// # Errors
    /// [`Error::Io`] where a run folder has no config, [`Error::Config`] where the runs do not go together, naming the key.
    pub fn open(config: &TwoStageConfig) -> Result<Self> {
        let runs = [Run::open(&config.stage1)?, Run::open(&config.stage2)?];
        let baseline = match config.baseline.as_os_str().is_empty() {
            true => None,
            false => Some(Run::open(&config.baseline)?),
        };
        let scaled = runs[0].config.data.normalise == runs[1].config.data.normalise;
        let stages = (!scaled).then_some("data.normalise").or_else(|| runs[0].differs(&runs[1]));
        let whole = baseline.as_ref().and_then(|run| Some((run, run.differs(&runs[1])?)));
        if let Some((run, key)) = stages.map(|key| (&runs[0], key)).or(whole) {
            let (one, two) = (run.folder().display(), runs[1].folder().display());
            return Err(Error::Config(format!("{one} and {two} differ in {key}; they must have the same")));
        }
        if let Some(run) = baseline.as_ref().filter(|run| !matches!(run.setup.fit, Fit::Resize { .. })) {
            let message = "must see whole pictures (data.fit = \"resize\")";
            return Err(Error::Config(format!("the baseline {} {message}", run.folder().display())));
        }
        let (stage1, stage2) = (runs[0].setup.model.clone(), runs[1].setup.model.clone());
        let model = TwoStage {
            factor: config.factor,
            cells: [config.grid.height, config.grid.width],
            patches: config.refined(),
            doubt: match config.doubt {
                DoubtName::Mean => Doubt::Mean,
                DoubtName::Reference => Doubt::Reference,
                DoubtName::Threshold => Doubt::Threshold,
            },
            overlap: config.overlap,
            blend: config.blend,
            logits: config.map == MapName::Logits,
            ..TwoStage::new(stage1, stage2)
        };
        Ok(Self { runs, baseline, model })
    }

    /// The config of stage 2, whose pictures are those that both are for.
    pub fn config(&self) -> &Config {
        &self.runs[1].config
    }

    /// The pictures of stage 2 and their split.
    ///
    /// # Errors
    /// What opening them raises.
    pub fn open_data(&self) -> Result<Data> {
        self.runs[1].setup.open_data(&self.runs[1].config)
    }

    /// Where the sizes that so many of the runs were trained at are far from what they see of pictures of `size`, in words.
    fn odd_sizes(&self, size: [usize; 2], stages: usize) -> impl Iterator<Item = String> {
        let small = self.model.padded(size).map(|side| side / self.model.factor.max(1));
        let odd = |(i, seen): (usize, [usize; 2])| {
            let of = self.runs[i].setup.size;
            let far = (0..2).any(|axis| seen[axis].abs_diff(of[axis]) * 5 > of[axis]);
            far.then(|| format!("stage {} was trained at {of:?} and sees {seen:?} pixels", i + 1))
        };
        [small, self.model.window(size)].into_iter().enumerate().take(stages).filter_map(odd)
    }

    /// What maps whole pictures with the weights of both runs, or, where no patch is refined, of the first.
    ///
    /// # Errors
    /// [`Error::Config`] where a run has no checkpoint, [`Error::Weights`] where one is another model's; what the device raises.
    pub fn mapper(&self, context: &Arc<Context>, patches: usize, mixed: bool) -> Result<StagesMapper<'_>> {
        let model = TwoStage { patches, ..self.model.clone() };
        // Of any size that the patches fit: parameters do not depend on it.
        let least = (2 * model.overlap).max(1);
        let (graph, ..) = two_stage::graph(&model, model.cells.map(|cells| cells * least))?;
        let weights = Arc::new(Weights::new(context, &graph, 0)?);
        let stages = if patches == 0 { 1 } else { 2 };
        for (run, prefix) in self.runs.iter().zip(TwoStage::PREFIXES).take(stages) {
            load_part(&weights, &format!("{prefix}."), &kept(run.folder())?)?;
        }
        let predictor = TwoStagePredictor::new(model, &weights).mixed(mixed);
        let whole = TwoStageWhole::new(predictor, self.runs[1].setup.normalise.clone());
        Ok(StagesMapper { stages: self, used: stages, whole, said: HashSet::new() })
    }
}

/// Both stages; tells, once, where they see other sizes than they were trained at.
pub struct StagesMapper<'a> {
    stages: &'a Stages,
    /// How many of them see anything.
    used: usize,
    whole: TwoStageWhole,
    said: HashSet<String>,
}

impl Mapper for StagesMapper<'_> {
    fn map(&mut self, picture: &Picture, noise: Option<Grain>) -> Result<Probabilities> {
        let said = |odd: &String| self.said.insert(odd.clone());
        let odd = self.stages.odd_sizes([picture.height, picture.width], self.used);
        odd.filter(said).for_each(|odd| eprintln!("warning: {odd}"));
        self.whole.map(picture, noise)
    }
}

/// Scores, operations and time of one way to predict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Way {
    /// `baseline`, `stage 1` or `two stages`.
    pub name: String,
    /// The scores.
    pub scores: Summary,
    /// Floating-point operations of a picture, all operators counted.
    pub flops: u64,
    /// Milliseconds from a picture in memory to its probabilities there: the median of 32 pictures at most, once plans are made.
    pub ms: f64,
}

/// What two stages come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoStageScores {
    /// Height and width of the first picture, of which operations are told.
    pub size: [usize; 2],
    /// How many times smaller stage 1 sees it.
    pub factor: usize,
    /// Patches along a column and along a row.
    pub cells: [usize; 2],
    /// How many are refined.
    pub patches: usize,
    /// Height and width of what stage 2 sees of a patch.
    pub window: [usize; 2],
    /// The ways: the baseline where there is one, stage 1, and both stages.
    pub ways: Vec<Way>,
}

/// Pictures that are timed, at most.
const TIMED: usize = 32;

/// A mapper that lets nothing be counted on the device: for that it would make a second plan, beside those that are timed.
struct MapsAlone<'a>(&'a mut dyn Mapper);

impl Mapper for MapsAlone<'_> {
    fn map(&mut self, picture: &Picture, noise: Option<Grain>) -> Result<Probabilities> {
        self.0.map(picture, noise)
    }
}

/// Milliseconds from a picture in memory to its probabilities there by each mapper: medians of pictures. Each picture goes through all
/// of them before the next, each time from another one on, so that what else the machine does at a time meets them alike; one of
/// another size than the last goes twice, as it may make plans.
fn in_turn(mappers: &mut [Box<dyn Mapper + '_>], dataset: &dyn Dataset, items: &[usize]) -> Result<Vec<f64>> {
    let count = mappers.len();
    let mut ms = vec![Vec::new(); count];
    let mut last = None;
    for (first, &item) in items.iter().take(TIMED).enumerate() {
        let picture = dataset.load(item)?.picture;
        let size = Some((picture.width, picture.height));
        for at in (first..first + count).map(|i| i % count) {
            let mapper = &mut mappers[at];
            if last != size {
                mapper.map(&picture, None)?;
            }
            let begin = Instant::now();
            mapper.map(&picture, None)?;
            ms[at].push(1e3 * begin.elapsed().as_secs_f64());
        }
        last = size;
    }
    Ok(ms.into_iter().map(|ms| Times::of(ms).median).collect())
}

/// Scores stage 1 alone, both stages and, where one is named, the baseline on the pictures that `part` takes of stage 2's split.
///
/// # Errors
/// [`Error::Config`] where runs do not go together, lack checkpoints, or one was trained on pictures that are to be scored;
/// what data and device raise.
pub fn score(
    context: &Arc<Context>,
    config: &TwoStageConfig,
    part: impl Fn(&Split) -> Vec<usize>,
    mixed: bool,
) -> Result<TwoStageScores> {
    let stages = Stages::open(config)?;
    let data = stages.open_data()?;
    let items = part(&data.split);
    let Some(first) = items.first() else {
        return Err(Error::Config("the split has no pictures of that part".into()));
    };
    let model = &stages.model;
    unseen(&data, &items, [&stages.runs[0]].into_iter().chain(&stages.baseline), &part)?;
    let run = &stages.runs[1];
    let evaluation = Evaluation {
        config: &run.config,
        setup: &run.setup,
        dataset: &*data.dataset,
        shown: Shown::default(),
        looks: Looks::default(),
        thorough: false,
    };
    let size_of = |item: usize| {
        let (width, height) = data.dataset.size(item);
        [height, width]
    };
    // What does not fit together shows here, before anything is predicted.
    let sizes: BTreeSet<[usize; 2]> = items.iter().map(|item| size_of(*item)).collect();
    sizes.into_iter().try_for_each(|size| two_stage::graph(model, size).map(drop))?;
    let size = size_of(*first);
    let flops = |patches| {
        let model = TwoStage { patches, ..model.clone() };
        let mut graph = two_stage::graph(&model, size)?.0;
        // As the baseline's: what a convolution does with its result is not counted apart.
        graph.fuse();
        Ok::<_, Error>(graph.cost().flops)
    };
    let staged = [("stage 1", 0, flops(0)?), ("two stages", model.patches, flops(model.patches)?)];
    let mut named: Vec<(&str, u64)> = Vec::new();
    let mut mappers: Vec<Box<dyn Mapper + '_>> = Vec::new();
    if let Some(run) = &stages.baseline {
        let Setup { model, fit, normalise, size: seen, .. } = &run.setup;
        if *seen != size {
            eprintln!(
                "warning: the baseline sees pictures of {size:?} at {seen:?}, which its operations and time are of"
            );
        }
        let shape = Shape::new(1, seen[0], seen[1], model.in_channels);
        named.push(("baseline", predictor::graph(model, shape)?.0.cost().flops));
        let baseline = super::predictor(context, &run.setup, &kept(run.folder())?)?.mixed(mixed);
        mappers.push(Box::new(Whole::new(vec![baseline], *fit, normalise.clone(), 1)));
    }
    for (name, patches, flops) in staged {
        named.push((name, flops));
        mappers.push(Box::new(stages.mapper(context, patches, mixed)?));
    }
    let scores =
        mappers.iter_mut().map(|mapper| Ok(evaluation.with(&mut MapsAlone(&mut **mapper), &items)?.summary));
    let scores = scores.collect::<Result<Vec<_>>>()?;
    let times = in_turn(&mut mappers, &*data.dataset, &items)?;
    let ways = named.into_iter().zip(scores).zip(times);
    let ways = ways.map(|(((name, flops), scores), ms)| Way { name: name.to_owned(), scores, flops, ms });
    let ways = ways.collect();
    let TwoStage { factor, cells, patches, .. } = *model;
    Ok(TwoStageScores { size, factor, cells, patches, window: model.window(size), ways })
}

/// # Errors
/// [`Error::Config`] where another run has pictures of `items` in another part of its split, or not at all.
fn unseen<'a>(
    data: &Data,
    items: &[usize],
    others: impl Iterator<Item = &'a Run>,
    part: impl Fn(&Split) -> Vec<usize>,
) -> Result<()> {
    for run in others {
        let other = run.setup.open_data(&run.config)?;
        let same: Vec<usize> = part(&other.split);
        let same: HashSet<&str> = same.iter().map(|i| other.dataset.id(*i)).collect();
        if let Some(id) = items.iter().map(|i| data.dataset.id(*i)).find(|id| !same.contains(id)) {
            let folder = run.folder().display();
            return Err(Error::Config(format!(
                "{id} is in another part of the split of {folder}; give the runs one data.split, or equal data keys and seeds"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_mistakes_named() {
        let of = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
            TwoStageConfig::from_toml("stage1 = \"a\"\ngrid = 4", &sets)
        };
        let config = of(&["stage2=runs/b", "doubt=threshold", "blend=true", "overlap = 16"]).unwrap();
        assert_eq!(
            (config.refined(), config.doubt, config.blend, config.overlap),
            (16, DoubtName::Threshold, true, 16)
        );
        assert_eq!((config.stage2.as_path(), config.factor), (Path::new("runs/b"), 8));
        assert_eq!(of(&["stage2=b", "patches=3", "grid=[2, 5]"]).unwrap().refined(), 3);
        assert_eq!(of(&["stage2=b", "grid=[2, 5]"]).unwrap().refined(), 2);
        assert_eq!(of(&["stage2=b", "grid=[2, 5]", "doubt=threshold"]).unwrap().refined(), 10);
        for (set, part) in [
            (vec![], "stage2 names no run"),
            (vec!["stage2=b", "patchs=3"], "patchs"),
            (vec!["stage2=b", "doubt=none"], "none"),
            (vec!["stage2=b", "factor"], "key=value"),
        ] {
            let message = of(&set).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}

//! How good a model is on pictures whose masks are known, and the report that shows it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Setup,
    checkpoint::{self, snapshots},
    config::{Config, EmptyMasks},
    folds::fold_folders,
};
use crate::{
    Error, Result,
    data::{Dataset, Grain, Normalise, Picture},
    gpu::Context,
    graph::{Shape, Weights},
    infer::{Looks, Mapper, Predictor, Whole, predictor},
    io::csv::{csv_line, csv_number},
    metrics::{
        Confusion, Empty, RocAuc, Scores, Summary, SurfaceDistance, SurfaceSummary, Thresholds, mean,
        summarise,
    },
    report::PictureRow,
};

/// What a model is held against.
pub struct Evaluation<'a> {
    /// Keys: the size of a batch, the threshold, what empty masks count.
    pub config: &'a Config,
    /// The model and how pictures come to it.
    pub setup: &'a Setup,
    /// Pictures with their masks.
    pub dataset: &'a dyn Dataset,
    /// Which pictures are given back to be shown.
    pub shown: Shown,
    /// How pictures are looked at.
    pub looks: Looks,
    /// Also measures the area under the ROC curve and the distances of surfaces, which takes the processor a while.
    pub thorough: bool,
}

/// How many pictures are shown: the first ones, and of the others those with the lowest Dice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    /// From the beginning.
    pub first: usize,
    /// The worst.
    pub worst: usize,
}

/// What a model came to.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The scores.
    pub summary: Summary,
    /// All pixels counted.
    pub confusion: Confusion,
    /// Of a binary model, where it was asked for, what other thresholds would do.
    pub thresholds: Option<Thresholds>,
    /// The scores of each picture, with its name, but of those whose pixels the device counted.
    pub each: Vec<(String, Scores)>,
    /// Pictures to be shown: the first, then the worst.
    pub pictures: Vec<PictureRow>,
}

impl Evaluation<'_> {
    /// What a score is where its formula divides nothing by nothing.
    fn empty(&self) -> Empty {
        match self.config.train.empty_masks {
            EmptyMasks::Skip => Empty::Skip,
            EmptyMasks::Fill => Empty::Fill,
        }
    }

    /// Predicts `items` whole, as the mean over all predictors, and compares with their masks.
    ///
    /// # Errors
    /// What data or device raise.
    pub fn of(&self, predictors: Vec<Predictor>, items: &[usize]) -> Result<Evaluated> {
        let Setup { fit, normalise, .. } = self.setup;
        let whole = Whole::new(predictors, *fit, normalise.clone(), self.config.train.batch);
        self.with(&mut whole.looking(self.looks), items)
    }

    /// As [`Self::of`], by anything that makes probabilities of pictures.
    ///
    /// # Errors
    /// What data or device raise.
    pub fn with(&self, mapper: &mut dyn Mapper, items: &[usize]) -> Result<Evaluated> {
        let Setup { model, noise, .. } = self.setup;
        let classes = model.out_channels.max(2);
        let (mut confusions, mut pictures) = (Vec::new(), Gallery { shown: self.shown, rows: Vec::new() });
        let (mut aucs, mut distances) = (vec![RocAuc::default(); classes - 1], Vec::new());
        let mut each = Vec::new();
        for &item in items {
            let sample = self.dataset.load(item)?;
            let threshold = self.config.train.threshold as f32;
            let grain = noise.map(|noise| noise.fixed(&sample.id));
            if !self.thorough && self.shown.first + self.shown.worst == 0 {
                // Counts are all that is wanted; where they can be, they are made on the device.
                let counts = mapper.confusion(&sample.picture, &sample.mask, threshold, grain)?;
                if let Some(counts) = counts {
                    confusions.push(counts);
                    continue;
                }
            }
            let map = mapper.map(&sample.picture, grain)?;
            let mask = map.mask(threshold);
            let confusion = Confusion::of(classes, &mask.data, &sample.mask.data)?;
            if self.thorough {
                for (auc, class) in aucs.iter_mut().zip(1..classes) {
                    let channel = class.min(map.channels - 1);
                    let chances: Vec<f32> =
                        map.data.iter().skip(channel).step_by(map.channels).copied().collect();
                    auc.add(&chances, &sample.mask.data, class as u8)?;
                }
                distances.extend((1..classes).map(|class| {
                    let of = |mask: &[u8]| mask.iter().map(|c| usize::from(*c) == class).collect::<Vec<_>>();
                    SurfaceDistance::between(&of(&mask.data), &of(&sample.mask.data), mask.width, [1.0; 2])
                }));
            }
            let scores = confusion.scores(self.empty());
            let id = sample.id;
            let seen = shown(sample.picture, grain)?;
            pictures.hang(PictureRow {
                id: id.clone(),
                width: seen.width,
                height: seen.height,
                channels: seen.channels,
                picture: seen.data,
                truth: sample.mask.data,
                prediction: mask.data,
                dice: scores.macro_foreground.dice,
            });
            each.push((id, scores));
            confusions.push(confusion);
        }
        let mut confusion = Confusion::new(classes);
        confusions.iter().try_for_each(|image| confusion.merge(image))?;
        let mut summary = summarise(classes, &confusions, self.empty())?;
        if self.thorough {
            summary.auc_by_class = aucs.iter_mut().map(RocAuc::value).collect();
            summary.auc = mean(summary.auc_by_class.iter().copied());
            summary.surface = Some(SurfaceSummary::of(&distances));
        }
        let thresholds = match aucs.as_mut_slice() {
            [auc] => auc.thresholds(),
            _ => None,
        };
        Ok(Evaluated { summary, confusion, thresholds, each, pictures: pictures.rows })
    }
}

/// The picture as a reader is to see it: with its noise, scaled to what can be shown.
fn shown(mut picture: Picture, grain: Option<Grain>) -> Result<Picture> {
    if let Some(grain) = grain {
        grain.add(&mut picture);
        Normalise::MinMax.apply(&mut picture)?;
    }
    Ok(picture)
}

impl Evaluated {
    /// A table of the scores of each picture, of the foreground classes; a cell is empty where a score is undefined.
    pub fn csv(&self) -> String {
        let header = ["id", "dice", "iou", "precision", "recall", "specificity", "accuracy", "kappa"];
        let row = |(id, scores): &(String, Scores)| {
            let v = &scores.macro_foreground;
            let numbers =
                [v.dice, v.iou, v.precision, v.recall, v.specificity, scores.accuracy, scores.kappa];
            csv_line([id.clone()].into_iter().chain(numbers.map(csv_number)))
        };
        csv_line(header.map(str::to_owned)) + &self.each.iter().map(row).collect::<String>()
    }
}

/// The pictures that are to be shown, of those seen so far.
struct Gallery {
    shown: Shown,
    rows: Vec<PictureRow>,
}

impl Gallery {
    fn hang(&mut self, row: PictureRow) {
        self.rows.push(row);
        let others = self.rows.get_mut(self.shown.first..).unwrap_or_default();
        // An undefined Dice is nothing to show.
        others.sort_by(|a, b| a.dice.unwrap_or(1.0).total_cmp(&b.dice.unwrap_or(1.0)));
        self.rows.truncate(self.shown.first + self.shown.worst);
    }
}

/// What predicts with a run's weights: those of `files`, or of runs that are named there; where none are given, of its
/// snapshots, else its best, else its last; and for the folder of a cross-validation those of all its folds.
///
/// # Errors
/// [`Error::Config`] where there is no checkpoint, or a fold has none; what reading one raises.
pub fn trained(
    context: &Arc<Context>,
    setup: &Setup,
    config: &Config,
    files: &[PathBuf],
) -> Result<Vec<Predictor>> {
    let of_run = |folder: &Path| -> Result<Vec<PathBuf>> {
        let all = if config.train.snapshots > 1 { snapshots(folder)? } else { Vec::new() };
        if all.is_empty() { Ok(vec![kept(folder)?]) } else { Ok(all) }
    };
    let files = match (files, is_cross_validation(config)) {
        ([], true) => {
            fold_folders(config).iter().map(|fold| of_run(fold)).collect::<Result<Vec<_>>>()?.concat()
        }
        ([], false) => of_run(&config.train.out)?,
        (files, _) => {
            let given = |path: &PathBuf| if path.is_dir() { of_run(path) } else { Ok(vec![path.clone()]) };
            files.iter().map(given).collect::<Result<Vec<_>>>()?.concat()
        }
    };
    files.iter().map(|path| predictor(context, setup, path)).collect()
}

/// What predicts with the weights of a file, quantized ones too.
///
/// # Errors
/// [`Error::Weights`] if the file cannot be read or belongs to another model; what the device raises.
pub fn predictor(context: &Arc<Context>, setup: &Setup, path: &Path) -> Result<Predictor> {
    let (map, quantization) = checkpoint::read_weights(path)?;
    let shape = Shape::new(1, setup.size[0], setup.size[1], setup.model.in_channels);
    let mut graph = predictor::graph(&setup.model, shape)?.0;
    if let Some(quantization) = &quantization {
        graph = quantization.apply(&graph)?;
    }
    let weights = Arc::new(Weights::new(context, &graph, 0)?);
    checkpoint::set_weights(&weights, map, path)?;
    let predictor = Predictor::new(&setup.model, &weights, setup.size);
    Ok(match quantization {
        Some(quantization) => predictor.quantized(quantization),
        None => predictor,
    })
}

/// Whether the run folder is that of a cross-validation, with a run for each fold below it.
pub fn is_cross_validation(config: &Config) -> bool {
    let own = ["best.safetensors", "last.safetensors"].map(|name| config.train.out.join(name));
    !own.iter().any(|path| path.exists()) && fold_folders(config).iter().any(|fold| fold.is_dir())
}

/// The checkpoint of a run folder that is used where none is named: its best, else its last.
///
/// # Errors
/// [`Error::Config`] where there is none.
pub fn kept(folder: &Path) -> Result<PathBuf> {
    let mut known = ["best.safetensors", "last.safetensors"].into_iter().map(|name| folder.join(name));
    known.find(|path| path.exists()).ok_or_else(|| {
        let folder = folder.display();
        Error::Config(format!("{folder} holds no checkpoint; train first, or name one with --weights"))
    })
}

/// The one number that names the best checkpoint: Dice of the foreground classes, all pictures pooled.
pub(super) fn headline(summary: &Summary) -> Option<f64> {
    summary.pooled.macro_foreground.dice
}

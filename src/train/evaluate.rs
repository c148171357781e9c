//! How good a model is on pictures whose masks are known, and the report that shows it.

use std::{path::Path, sync::Arc};

use super::{
    Setup, checkpoint,
    config::{Config, EmptyMasks},
    runlog::RunLog,
};
use crate::{
    Error, Result,
    data::Dataset,
    gpu::Context,
    graph::{Graph, Shape, Weights},
    infer::{Predictor, Whole},
    metrics::{Confusion, Empty, RocAuc, Summary, SurfaceDistance, SurfaceSummary, summarise},
    report::{PictureRow, Report},
};

/// What a model is held against.
pub struct Evaluation<'a> {
    /// Keys: the size of a batch, the threshold, what empty masks count.
    pub config: &'a Config,
    /// The model and how pictures come to it.
    pub setup: &'a Setup,
    /// Pictures with their masks.
    pub dataset: &'a dyn Dataset,
    /// Pictures that are given back to be shown.
    pub shown: usize,
    /// Also measures the area under the ROC curve and the distances of surfaces, which takes the processor a while.
    pub thorough: bool,
}

impl Evaluation<'_> {
    /// What a score is where its formula divides nothing by nothing.
    fn empty(&self) -> Empty {
        match self.config.train.empty_masks {
            EmptyMasks::Skip => Empty::Skip,
            EmptyMasks::Fill => Empty::Fill,
        }
    }

    /// Predicts `items` whole and compares with their masks; returns the scores and the first pictures.
    ///
    /// # Errors
    /// What data or device raise.
    pub fn of(&self, predictor: Predictor, items: &[usize]) -> Result<(Summary, Vec<PictureRow>)> {
        let Setup { model, fit, normalise, .. } = self.setup;
        let mut whole = Whole::new(predictor, *fit, normalise.clone(), self.config.train.batch);
        let classes = model.out_channels.max(2);
        let (mut confusions, mut pictures) = (Vec::new(), Vec::new());
        let (mut auc, mut distances) = (RocAuc::default(), Vec::new());
        for &item in items {
            let sample = self.dataset.load(item)?;
            let map = whole.predict(&sample.picture)?;
            let mask = map.mask(self.config.train.threshold as f32);
            let confusion = Confusion::of(classes, &mask.data, &sample.mask.data)?;
            if self.thorough {
                if map.channels == 1 {
                    auc.add(&map.data, &sample.mask.data)?;
                }
                distances.extend((1..classes as u8).map(|class| {
                    let of = |mask: &[u8]| mask.iter().map(|c| *c == class).collect::<Vec<_>>();
                    SurfaceDistance::between(&of(&mask.data), &of(&sample.mask.data), mask.width, [1.0; 2])
                }));
            }
            if pictures.len() < self.shown {
                pictures.push(PictureRow {
                    id: sample.id,
                    width: sample.picture.width,
                    height: sample.picture.height,
                    channels: sample.picture.channels,
                    picture: sample.picture.data,
                    truth: sample.mask.data,
                    prediction: mask.data,
                    dice: confusion.scores(self.empty()).macro_foreground.dice,
                });
            }
            confusions.push(confusion);
        }
        let mut summary = summarise(classes, &confusions, self.empty())?;
        if self.thorough {
            summary.auc = auc.value();
            summary.surface = Some(SurfaceSummary::of(&distances));
        }
        Ok((summary, pictures))
    }
}

/// The weights of `file`, or the best of the run folder, or its last.
///
/// # Errors
/// [`Error::Config`] where there is no checkpoint; what reading one raises.
pub fn trained(
    context: &Arc<Context>,
    setup: &Setup,
    config: &Config,
    file: Option<&Path>,
) -> Result<Arc<Weights>> {
    let folder = &config.train.out;
    let choices = [
        file.map(Path::to_path_buf),
        Some(folder.join("best.safetensors")),
        Some(folder.join("last.safetensors")),
    ];
    let path = choices.into_iter().flatten().find(|p| file.is_some() || p.exists()).ok_or_else(|| {
        Error::Config(format!(
            "{} holds no checkpoint; train first, or name one with --weights",
            folder.display()
        ))
    })?;
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(1, setup.size[0], setup.size[1], setup.model.in_channels));
    setup.model.build(&mut graph, x, false)?;
    let weights = Arc::new(Weights::new(context, &graph, 0)?);
    checkpoint::load_weights(&weights, &path)?;
    Ok(weights)
}

/// The one number that names the best checkpoint: Dice of the foreground classes, all pictures pooled.
pub(super) fn headline(summary: &Summary) -> Option<f64> {
    summary.pooled.macro_foreground.dice
}

/// Writes `report.html` of a run folder.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub fn write_report(
    context: &Context,
    config: &Config,
    model: Vec<(String, String)>,
    scores: &Summary,
    pictures: Vec<PictureRow>,
) -> Result<()> {
    let folder = &config.train.out;
    let info = &context.info;
    let report = Report {
        title: format!("{} on {}", config.model.name.name(), data_name(config)),
        config_toml: config.to_toml()?,
        hardware: format!("{} ({:?}, {} {})", info.name, info.backend, info.driver, info.driver_info),
        model,
        history: RunLog::read(folder)?,
        scores: serde_json::to_value(scores).map_err(|e| Error::Check(format!("scores: {e}")))?,
        pictures,
    };
    report.write(folder.join("report.html"))
}

fn data_name(config: &Config) -> String {
    match config.data.root.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "generated shapes".into(),
    }
}

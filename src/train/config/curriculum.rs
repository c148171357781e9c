//! Keys of the curriculum.

use std::path::PathBuf;

use serde::Serialize;

use super::{
    Config, Key,
    sections::section,
    validate::{ensure, fraction, positive, within},
    values::{Judge, Kind, ModelName, OrderName, PacingName, as_toml, take},
};
use crate::Result;

section! {
    /// Learning from easy pictures first. Every epoch has as many steps as without; easy pictures come more often
    /// meanwhile.
    CurriculumConfig = "curriculum" {
        /// What orders training pictures from easy to hard: none; reconstruction or rotation, how badly the network
        /// does a task that needs no masks, which it is trained on first; size, how little of the picture is
        /// foreground; manual, a list; or random.
        order: OrderName = OrderName::None;
        /// For order "manual": a CSV file with a column id, easiest first; a run's ranking.csv is one.
        list: PathBuf = PathBuf::new();
        /// How the share of the pictures that is learnt from grows: linear; root, fast at first; or step, in stages.
        pacing: PacingName = PacingName::Linear;
        /// The share in the first epoch.
        start: f64 = 0.3;
        /// The share that it grows to.
        end: f64 = 1.0;
        /// Share of train.epochs after which it is reached.
        until: f64 = 0.6;
        /// For pacing "step": in how many steps.
        stages: usize = 3;
        /// For reconstruction and rotation: epochs of training for that task, with the keys of [optim].
        pretext_epochs: usize = 10;
        /// For reconstruction: the side of the squares that are hidden, pixels.
        hidden: usize = 8;
        /// For reconstruction and rotation: a folder of pictures without masks that the task is trained on too.
        unlabelled: PathBuf = PathBuf::new();
        /// For reconstruction and rotation: whether weights start from those learnt for the task, all but those of the last
        /// layer.
        initialise: bool = false;
        /// For grenet: the folder of a run of unetpp, whose shallower results are what the stages before the last
        /// learn; empty: all stages learn the truth.
        miner: PathBuf = PathBuf::new();
        /// Every pixel's cross-entropy is added to the loss once more, times this and what the probability of its truth
        /// lacks: what is hard to segment counts more, as it stands. 0: not at all.
        pixel_weight: f64 = 0.0;
    }
}

impl CurriculumConfig {
    /// Whether a task is learnt first.
    pub fn has_pretext(&self) -> bool {
        matches!(self.order, OrderName::Reconstruction | OrderName::Rotation)
    }
}

impl Config {
    pub(super) fn validate_curriculum(&self) -> Result<()> {
        let c = &self.curriculum;
        within("curriculum.start", c.start, c.start > 0.0 && c.start <= 1.0, "above 0 and at most 1")?;
        within("curriculum.end", c.end, c.end >= c.start && c.end <= 1.0, "curriculum.start to 1")?;
        fraction("curriculum.until", c.until)?;
        positive("curriculum.stages", c.stages)?;
        positive("curriculum.pretext_epochs", c.pretext_epochs)?;
        positive("curriculum.hidden", c.hidden)?;
        within("curriculum.pixel_weight", c.pixel_weight, c.pixel_weight >= 0.0, "0 or more")?;
        let manual = c.order == OrderName::Manual;
        ensure(manual != c.list.as_os_str().is_empty(), || {
            "curriculum.list and curriculum.order = \"manual\" want each other".to_owned()
        })?;
        ensure(c.has_pretext() || !c.initialise && c.unlabelled.as_os_str().is_empty(), || {
            "curriculum.initialise and curriculum.unlabelled want curriculum.order \"reconstruction\" or \"rotation\"".to_owned()
        })?;
        let staged = self.model.name == ModelName::GREnet && self.model.classes == 1 && self.model.t <= 8;
        ensure(staged || c.miner.as_os_str().is_empty(), || {
            "curriculum.miner is for model.name = \"grenet\" with model.classes 1 and model.t of 8 at most"
                .to_owned()
        })?;
        ensure(c.miner.as_os_str().is_empty() || self.train.judge == Judge::Dice, || {
            "curriculum.miner finds targets for training pictures alone, so that train.judge = \"loss\" has none".to_owned()
        })?;
        let [height, width] = [self.data.size.height, self.data.size.width];
        ensure(c.order != OrderName::Rotation || height == width, || {
            format!("curriculum.order \"rotation\" needs a square data.size, got {height}x{width}")
        })
    }
}

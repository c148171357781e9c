//! Training: steps on the device, and runs that keep their config, logs, checkpoints and report.

#[cfg(feature = "cli")]
mod augment;
#[cfg(feature = "cli")]
mod checkpoint;
#[cfg(feature = "cli")]
mod clock;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
mod curriculum;
#[cfg(feature = "cli")]
mod descend;
#[cfg(feature = "cli")]
mod evaluate;
#[cfg(feature = "cli")]
mod events;
#[cfg(feature = "cli")]
mod folds;
#[cfg(feature = "cli")]
mod footprint;
#[cfg(feature = "cli")]
mod lock;
mod loss_log;
#[cfg(feature = "cli")]
mod miner;
mod objective;
#[cfg(feature = "cli")]
mod open;
mod pretext;
#[cfg(feature = "cli")]
mod report;
#[cfg(feature = "cli")]
mod run;
#[cfg(feature = "cli")]
mod run_folder;
#[cfg(feature = "cli")]
pub mod runlog;
#[cfg(feature = "cli")]
mod setup;
mod stage_targets;
mod trainer;
#[cfg(feature = "cli")]
pub mod two_stage;

#[cfg(feature = "cli")]
pub use augment::Augment;
#[cfg(feature = "cli")]
pub use checkpoint::{
    Progress, Saved, load_encoder, load_undescended, load_weights, save_half, save_quantized, weight_bytes,
    weight_map,
};
#[cfg(feature = "cli")]
pub use curriculum::{given, rank};
#[cfg(feature = "cli")]
pub use descend::Undescended;
#[cfg(feature = "cli")]
pub use evaluate::{Evaluated, Evaluation, Shown, is_cross_validation, kept, predictor, trained};
#[cfg(feature = "cli")]
pub use folds::{Folds, SCORES, fold_folders, run_folds};
#[cfg(feature = "cli")]
pub use footprint::Footprint;
pub use objective::Objective;
#[cfg(feature = "cli")]
pub use open::{volumes, written_coding, written_labels};
pub use pretext::Pretext;
#[cfg(feature = "cli")]
pub use report::remake;
#[cfg(feature = "cli")]
pub use run::{Outcome, RunOptions, run};
#[cfg(feature = "cli")]
pub use setup::{Data, Setup};
pub use stage_targets::StageTargets;
pub use trainer::{
    Augmentation, ChangeVars, Changes, StepOptions, Trainer, TrainingGraph, augmentation_graph, one_hot,
    training_graph,
};

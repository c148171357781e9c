//! How good a segmentation is: confusion counts, the scores drawn from them, and rows for the run's log.

mod auc;
mod confusion;
mod row;
mod scores;
mod surface;

pub use auc::{RocAuc, Thresholds};
pub use confusion::Confusion;
pub use row::{Phase, Row};
pub(crate) use scores::mean;
pub use scores::{ClassScores, Empty, Scores, Summary, SurfaceSummary, Undefined, Values, summarise};
pub use surface::{SurfaceDistance, squared_distances};

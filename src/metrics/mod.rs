//! How good a segmentation is: confusion counts, the scores drawn from them, rows for the run's log, tests of whether
//! scores differ, and what repeated timings come to.

mod auc;
mod confusion;
mod row;
mod scores;
mod surface;
mod times;
#[cfg(feature = "cli")]
mod ttest;

pub use auc::{RocAuc, Thresholds};
pub use confusion::Confusion;
pub use row::{Phase, Row};
#[cfg(feature = "cli")]
pub(crate) use scores::mean;
pub use scores::{ClassScores, Empty, Scores, Summary, SurfaceSummary, Undefined, Values, summarise};
pub use surface::{SurfaceDistance, squared_distances};
pub use times::Times;
#[cfg(feature = "cli")]
pub use ttest::{Correction, TTest};

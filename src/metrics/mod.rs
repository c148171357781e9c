//! How good a segmentation is: confusion counts, the scores drawn from them, and rows for the run's log.

mod confusion;
mod row;
mod scores;

pub use confusion::Confusion;
pub use row::{Phase, Row};
pub use scores::{ClassScores, Scores, Summary, Undefined, Values, summarise};

//! Experiments: grids of runs with their repeats, and the tables, plots and figures that come of them.
//!
//! A [`Spec`] says what varies; [`Sweep`] makes it into cells, each a config of its own, runs those that are not done and
//! evaluates them again in the ways that [`Again`] names. [`Results`] holds what they came to: [`Table`] sums it up
//! over seeds beside published numbers, [`Plot`] draws it, and [`Claims`] holds it against what was said of it.

mod again;
mod check;
mod claim;
mod column;
mod figure;
mod plot;
mod results;
mod spec;
mod sweep;
mod table;
#[cfg(test)]
mod testing;
mod two_stage;

pub use again::{Again, Evaluate};
pub use claim::{Claim, Claims, Expect, Verdict};
pub use column::{Column, Score};
pub use figure::Figure;
pub use plot::{Picture, Plot, PlotKind, draw_stages};
pub use results::{Dimension, Labels, Numbers, Place, Query, Results, Samples, Seen, Test, Where, Which};
pub use spec::{Axis, Level, Profile, Published, Shown, Spec, builtin, builtins};
pub use sweep::{Cell, Choice, Event, Shard, Sweep};
pub use table::Table;
pub use two_stage::{DataRow, Stage2, StagedResults, StagedRow, Trio, TwoStageSpec, WayRow};

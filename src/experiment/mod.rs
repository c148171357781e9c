//! Experiments: grids of runs with their repeats, and the tables and figures that come of them.
//!
//! A [`Spec`] says what varies; [`Sweep`] makes it into cells, each a config of its own, runs those that are not done,
//! and [`Table`] sums them up over their seeds beside published numbers.

mod figure;
mod spec;
mod sweep;
mod table;

pub use figure::Figure;
pub use spec::{Axis, Level, Published, Shown, Spec, builtin};
pub use sweep::{Cell, Choice, Shard, Sweep};
pub use table::{Column, Table};

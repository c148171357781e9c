//! What the energy descents are made of beside the common operators.

mod entmax;
mod frangi;
mod kohonen;
mod patches;
mod relax;
pub(super) mod samples;
mod settle;
mod unit_norm;

pub use entmax::{Entmax, EntmaxKind};
pub use frangi::Frangi;
pub use kohonen::Kohonen;
pub use patches::Patches;
pub use relax::Relax;
pub use settle::Settle;
pub use unit_norm::UnitNorm;

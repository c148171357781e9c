//! What the energy descents are made of beside the common operators.

mod entmax;
mod frangi;
mod patches;
mod relax;
pub(super) mod samples;
mod unit_norm;

pub use entmax::{Entmax, EntmaxKind};
pub use frangi::Frangi;
pub use patches::Patches;
pub use relax::Relax;
pub use unit_norm::UnitNorm;

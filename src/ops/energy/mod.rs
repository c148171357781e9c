//! What the energy descents are made of beside the common operators.

mod entmax;
mod patches;
mod relax;
pub(super) mod samples;
mod unit_norm;

pub use entmax::{Entmax, EntmaxKind};
pub use patches::Patches;
pub use relax::Relax;
pub use unit_norm::UnitNorm;

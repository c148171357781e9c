//! What the energy descents are made of beside the common operators.

mod entmax;
mod patches;
mod relax;
pub(super) mod samples;

pub use entmax::{Entmax, EntmaxKind};
pub use patches::Patches;
pub use relax::Relax;

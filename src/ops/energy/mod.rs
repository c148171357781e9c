//! What the energy descents are made of beside the common operators.

mod patches;
pub(super) mod samples;

pub use patches::Patches;

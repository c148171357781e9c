//! Files the engine writes and reads: weights, and the one way a file is replaced.

pub mod atomic;
#[cfg(feature = "cli")]
pub(crate) mod csv;
#[cfg(feature = "cli")]
pub mod names;
#[cfg(feature = "cli")]
pub mod torch;
pub mod weights;

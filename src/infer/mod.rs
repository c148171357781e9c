//! Prediction: batches of fixed size, whole pictures of any size, and textures of a host program.

pub mod check;
pub mod embedded;
pub mod predictor;
#[cfg(feature = "cli")]
mod whole;

pub use embedded::{Bound, Segmenter, Settings};
pub use predictor::Predictor;
#[cfg(feature = "cli")]
pub use whole::{Looks, Probabilities, Whole};

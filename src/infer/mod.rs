//! Prediction: batches of fixed size, and whole pictures of any size.

pub mod predictor;
#[cfg(feature = "cli")]
mod whole;

pub use predictor::Predictor;
#[cfg(feature = "cli")]
pub use whole::{Probabilities, Whole};

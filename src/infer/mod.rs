//! Prediction: batches of fixed size, whole pictures of any size, and textures of a host program.

pub mod check;
mod descent;
pub mod embedded;
#[cfg(feature = "cli")]
mod polygons;
pub mod predictor;
pub mod quantize;
pub mod two_stage;
#[cfg(feature = "cli")]
mod whole;

pub use descent::{Follower, Trail};
pub use embedded::{Bound, Segmenter, Settings};
#[cfg(feature = "cli")]
pub use polygons::DevicePolygons;
pub use predictor::Predictor;
pub use quantize::{Observer, Quantization, Range};
pub use two_stage::TwoStagePredictor;
#[cfg(feature = "cli")]
pub use two_stage::TwoStageWhole;
#[cfg(feature = "cli")]
pub use whole::{Looks, Mapper, Probabilities, Whole};

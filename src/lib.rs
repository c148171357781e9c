//! gyre trains and runs 2-D image-segmentation networks on any GPU.
#![warn(missing_docs)]

mod error;
pub mod gpu;
pub mod graph;
pub mod loss;
pub mod ops;
pub mod optim;

pub use error::{Error, Result};

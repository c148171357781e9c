//! gyre trains and runs 2-D image-segmentation networks on any GPU. Every number comes out of a hand-written
//! WGSL compute shader, dispatched through wgpu.
//!
//! The way through the library: a [`models::Model`] builds a [`graph::Graph`]; a [`graph::Plan`] lowers it to
//! dispatches and lays out its memory; a [`graph::Session`] replays it on a [`gpu::Context`], which may wrap a
//! device that the host program owns. [`infer::Predictor`] and [`train::Trainer`] do so for whole models.
#![warn(missing_docs)]

mod error;
pub mod gpu;
pub mod graph;
pub mod infer;
pub mod io;
pub mod loss;
pub mod metrics;
pub mod models;
pub mod nn;
pub mod ops;
pub mod optim;
pub mod train;

#[cfg(feature = "cli")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod data;
#[cfg(feature = "cli")]
pub mod experiment;
#[cfg(feature = "cli")]
pub mod report;

pub use error::{Error, Result};

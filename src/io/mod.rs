//! Files the engine writes and reads: weights, and the one way a file is replaced.

pub mod atomic;
pub mod weights;

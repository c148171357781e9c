//! What smooths pictures before a network sees them.

use crate::{
    Result,
    graph::{Graph, Var},
    ops::{Blur, Median},
};

/// Filters of all pictures alike, in training and prediction: first a median, then a Gaussian (SiGREnet, "Gaussian
/// smoothing and median filter").
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Smoothing {
    /// Side of the median's window, pixels: 3 or 5; 0: none.
    pub median: usize,
    /// Deviation of the Gaussian, pixels; 0: none.
    pub sigma: f32,
}

impl Smoothing {
    /// Adds the filters of pictures `[N, H, W, C]` to `graph`.
    pub(super) fn apply(&self, graph: &mut Graph, mut x: Var) -> Result<Var> {
        if self.median > 0 {
            x = graph.apply(Median { size: self.median, each: false }, &[x])?;
        }
        if self.sigma > 0.0 {
            for across in [true, false] {
                x = graph.apply(Blur { sigma: self.sigma, across, scale: 1.0, each: false }, &[x])?;
            }
        }
        Ok(x)
    }
}

//! Keys of the energy descent.

use serde::Serialize;

use super::{
    Config, Key,
    sections::section,
    validate::{ensure, positive, within},
    values::{
        Compatibility, EdgeFilterName, EnergyName, GradientThrough, Kind, RetrievalName, RuleName, as_toml,
        take,
    },
};
use crate::Result;

section! {
    /// An energy that beliefs, or features of the decoder, descend.
    DescentConfig = "descent" {
        /// Which energy: none; som (a self-organising map), crf (a conditional random field) or hopfield (a Hopfield network
        /// over patches); hybrid, steps of som and hopfield in turn; or ensemble, the mean of the three.
        energy: EnergyName = EnergyName::None;
        /// What descends: 0, the logits; k, what the decoder makes at level k, from 1 at the picture's size.
        level: usize = 0;
        /// Steps. A trained network may be evaluated with others.
        steps: usize = 5;
        /// Size of a step, alpha.
        step_size: f64 = 0.1;
        /// How training goes back through the steps: unrolled, through all; truncated, through the last gradient_steps;
        /// implicit, at the equilibrium (som and crf need an anchor for it), by a series of gradient_steps terms.
        gradient: GradientThrough = GradientThrough::Unrolled;
        /// See gradient.
        gradient_steps: usize = 5;
        /// Share of the way back to the first beliefs in each step, below 1; 0: none.
        anchor: f64 = 0.0;
        /// In evaluation a picture stays as it is once its energy changes by less than this share in stretch steps; 0: all
        /// steps are taken. For som, crf and hopfield.
        tolerance: f64 = 0.0;
        /// See tolerance.
        stretch: usize = 10;
        /// Som: equilibrium, all whole edges count alike (eq 9); response, by how decided neighbours are (eq 10); or literal,
        /// the same as printed, where dropped edges leak.
        rule: RuleName = RuleName::Equilibrium;
        /// Som: whether a pixel counts itself among its neighbours, for rule equilibrium.
        include_self: bool = false;
        /// Som: what of the picture cuts edges: its laplacian, hessian (vesselness by Frangi et al.), or a learned 3x3 filter.
        filter: EdgeFilterName = EdgeFilterName::Laplacian;
        /// Som: largest difference of the filtered picture along a whole edge.
        threshold: f64 = 0.1;
        /// Som: width of the step from whole to cut; the learned filter needs more than 0.
        softness: f64 = 0.0;
        /// Som: deviation of a Gaussian before the filter, pixels; 0: none.
        smoothing: f64 = 0.0;
        /// Crf: difference of two pixels at which their likeness has fallen to 1/e.
        bandwidth: f64 = 1.0;
        /// Crf: whether likeness sums to 1 over a pixel's neighbours.
        neighbour_norm: bool = true;
        /// Crf: compatibility of labels that is learnt: a matrix, or a scalar.
        compatibility: Compatibility = Compatibility::Matrix;
        /// Crf: whether each step is divided by 1 + step_size. As printed, beliefs grow without bound.
        normalise: bool = false;
        /// Hopfield: side of a patch, pixels; must divide what descends.
        patch: usize = 4;
        /// Hopfield: how many memories are learnt.
        memories: usize = 64;
        /// Hopfield: inverse temperature.
        beta: f64 = 1.0;
        /// Hopfield: how likeness to the memories weighs them: softmax, relu, sparsemax or entmax (with alpha 1.5).
        retrieval: RetrievalName = RetrievalName::Softmax;
    }
}

impl Config {
    pub(super) fn validate_descent(&self) -> Result<()> {
        let d = &self.descent;
        within(
            "descent.step_size",
            d.step_size,
            d.step_size > 0.0 && d.step_size <= 1.0,
            "above 0 and at most 1",
        )?;
        within("descent.anchor", d.anchor, (0.0..1.0).contains(&d.anchor), "0 or more and below 1")?;
        for (key, value) in [
            ("tolerance", d.tolerance),
            ("threshold", d.threshold),
            ("softness", d.softness),
            ("smoothing", d.smoothing),
        ] {
            within(&format!("descent.{key}"), value, value >= 0.0, "0 or more")?;
        }
        within("descent.smoothing", d.smoothing, d.smoothing <= 32.0, "at most 32 pixels")?;
        within("descent.bandwidth", d.bandwidth, d.bandwidth >= 1e-3, "0.001 or more")?;
        within("descent.beta", d.beta, d.beta > 0.0, "more than 0")?;
        for (key, value) in [("gradient_steps", d.gradient_steps), ("stretch", d.stretch)] {
            positive(&format!("descent.{key}"), value)?;
        }
        for (key, value) in [("patch", d.patch), ("memories", d.memories)] {
            positive(&format!("descent.{key}"), value)?;
        }
        ensure(d.steps <= 10_000, || format!("descent.steps is {}; 10000 is the most", d.steps))?;
        let restless = d.energy != EnergyName::Hopfield && d.energy != EnergyName::None;
        ensure(!(d.gradient == GradientThrough::Implicit && restless && d.anchor == 0.0), || {
            "descent.gradient is \"implicit\", which needs an isolated equilibrium: som keeps the sum of each part that hangs \
             together and crf has no decay; give descent.anchor more than 0, say 0.05"
                .to_owned()
        })?;
        let composed = matches!(d.energy, EnergyName::Hybrid | EnergyName::Ensemble);
        ensure(!(composed && d.tolerance > 0.0), || {
            "descent.tolerance is for som, crf and hopfield alone".to_owned()
        })?;
        ensure(!(d.energy == EnergyName::Hybrid && d.gradient != GradientThrough::Unrolled), || {
            "descent.gradient of hybrid is \"unrolled\" alone".to_owned()
        })?;
        ensure(!(d.filter == EdgeFilterName::Learned && d.softness == 0.0), || {
            "descent.filter \"learned\" needs descent.softness above 0: a mask of steps has no gradient"
                .to_owned()
        })
    }
}

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
        /// implicit, at the equilibrium (som and crf need an anchor for it), by a series of gradient_steps terms; the steps
        /// must then be enough to come to rest.
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
        if d.gradient == GradientThrough::Implicit {
            self.validate_rest()?;
        }
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

    /// An implicit gradient wants an isolated equilibrium that the steps come to.
    fn validate_rest(&self) -> Result<()> {
        let d = &self.descent;
        let (som, crf, hopfield) = match d.energy {
            EnergyName::None => return Ok(()),
            EnergyName::Som | EnergyName::Hybrid => (true, false, false),
            EnergyName::Crf => (false, true, false),
            EnergyName::Hopfield => (false, false, true),
            EnergyName::Ensemble => (true, true, true),
        };
        ensure(!som || d.anchor > 0.0, || {
            "descent.gradient is \"implicit\", which needs an isolated equilibrium: som keeps the sum of each part that hangs \
             together; give descent.anchor more than 0, say 0.2"
                .to_owned()
        })?;
        // With a compatibility near the identity a step multiplies what all agree on by at most 1 + step_size - anchor, or
        // by 1 - anchor where it is divided by 1 + step_size.
        let growth = if d.normalise { 0.0 } else { d.step_size };
        ensure(!crf || d.anchor > growth, || {
            format!(
                "descent.gradient is \"implicit\", which needs an equilibrium that the steps come to: crf has none unless \
                 descent.anchor is more than {growth}{}",
                if d.normalise { "" } else { ", or more than 0 with descent.normalise" }
            )
        })?;
        ensure(!hopfield || d.retrieval != RetrievalName::Relu || d.anchor > 0.0, || {
            "descent.gradient is \"implicit\", which needs an isolated equilibrium: with retrieval \"relu\" hopfield grows or \
             shrinks along a ray; give descent.anchor more than 0"
                .to_owned()
        })?;
        // The slowest part of the series falls by 1 - anchor a term.
        let left = (1.0 - d.anchor).powi(i32::try_from(d.gradient_steps).unwrap_or(i32::MAX));
        ensure(d.anchor == 0.0 || left <= 0.05, || {
            let enough = (0.05f64.ln() / (1.0 - d.anchor).ln()).ceil();
            format!(
                "descent.gradient_steps is {}: with descent.anchor {} the series leaves out {:.0} % of a part of the gradient; \
                 {enough} terms leave out 5 %",
                d.gradient_steps,
                d.anchor,
                100.0 * left
            )
        })
    }
}

//! Gated recurrent residual block (SiGREnet, section II.A.2).

use super::{ConvForm, Net};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Geometry, GrrbStep},
};

/// What a [`grrb`] sees in each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grrb {
    /// Steps T.
    pub steps: usize,
    /// The transform S sees the features alone, as printed; else their sum with the state, without which the steps
    /// only add up the same numbers.
    pub still_input: bool,
    /// The gate sees the features alone; else the state beside them.
    pub still_gate: bool,
    /// Applied to S.
    pub act: Act,
}

impl Grrb {
    /// Three steps that see the state.
    pub const fn new() -> Self {
        Self { steps: 3, still_input: false, still_gate: false, act: Act::Identity }
    }
}

impl Default for Grrb {
    fn default() -> Self {
        Self::new()
    }
}

/// `R = (1 - g) R + g (R + S) = R + g S`, T times from `R = F`, with the gate `g = sigmoid(1x1 convolution)` and S a depthwise
/// separable 3x3 convolution; all steps share their parameters `s.dw`, `s.pw` and `gate`, each with a bias. From and to
/// `[N, H, W, C]`. [`Graph::shorten`](crate::graph::Graph::shorten) makes a step one pass.
///
/// # Errors
/// As the layers.
pub fn grrb(net: &mut Net<'_>, features: Var, form: Grrb) -> Result<Var> {
    let channels = net.graph.shape(features).c;
    let depthwise =
        ConvForm { geometry: Geometry::square(3, 1, 1).grouped(channels), bias: true, rectified: false };
    let mut state = features;
    for _ in 0..form.steps {
        // The state begins as the features.
        let seen = match form.still_input {
            true => features,
            false => net.add(features, state)?,
        };
        let s = net.conv_of("s.dw", &[seen], channels, depthwise)?;
        let s = net.project("s.pw", &[s], channels, true)?;
        let s = if form.act == Act::Identity { s } else { net.act(form.act, s)? };
        let sources = [features, state];
        let gate =
            net.project("gate", if form.still_gate { &sources[..1] } else { &sources }, channels, true)?;
        let gate = net.act(Act::Sigmoid, gate)?;
        let step = net.mul(s, gate)?;
        let next = net.add(state, step)?;
        // A depthwise convolution of one channel is dense.
        if channels > 1 {
            let parameters =
                ["s.dw", "s.pw", "gate"].map(|name| ["weight", "bias"].map(|of| format!("{name}.{of}")));
            let parameters = parameters.iter().flatten().filter_map(|name| net.graph.param_named(name));
            let inputs: Vec<Var> = sources.into_iter().chain(parameters).collect();
            let Grrb { still_input, still_gate, act, .. } = form;
            net.graph.shortcut(GrrbStep { still_input, still_gate, act }, &inputs, next)?;
        }
        state = next;
    }
    Ok(state)
}

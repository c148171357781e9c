//! Convolutional long short-term memory (Shi et al. 2015), without peepholes.

use super::{ConvForm, Net};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Geometry, Slice},
};

/// What the memory holds between steps, both `[N, H, W, hidden]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The output of the last step.
    pub h: Var,
    /// The cell.
    pub c: Var,
}

/// One step over `x`: with the gates i, f, g and o of one 3x3 convolution of x and h, `c = f c + i g` and `h = o
/// act(c)`, where all are sigmoids but g, which is `act`: tanh as published. Parameter `cell.conv`, with a bias, shared
/// by all steps.
///
/// # Errors
/// As the layers.
pub fn conv_lstm(net: &mut Net<'_>, x: Var, memory: Memory, act: Act) -> Result<Memory> {
    let hidden = net.graph.shape(memory.c).c;
    let form = ConvForm { geometry: Geometry::square(3, 1, 1), bias: true, rectified: false };
    let gates = net.conv_of("cell.conv", &[x, memory.h], 4 * hidden, form)?;
    let gate = |net: &mut Net<'_>, which: usize, act: Act| {
        let part = net.graph.apply(Slice::new(which * hidden..(which + 1) * hidden), &[gates])?;
        net.act(act, part)
    };
    let input = gate(net, 0, Act::Sigmoid)?;
    let forget = gate(net, 1, Act::Sigmoid)?;
    let candidate = gate(net, 2, act)?;
    let output = gate(net, 3, Act::Sigmoid)?;
    let kept = net.mul(memory.c, forget)?;
    let added = net.mul(candidate, input)?;
    let c = net.add(kept, added)?;
    let shown = net.act(act, c)?;
    Ok(Memory { h: net.mul(shown, output)?, c })
}

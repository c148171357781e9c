//! SiGREnet (section II.A): depthwise separable residual blocks down and up, a recurrent unit at each scale of the decoder,
//! and a head that joins all scales.

use super::Model;
use crate::{
    Result,
    graph::Var,
    nn::{Grrb, Memory, Net, conv_lstm, ds_residual, eta, grrb},
    ops::{Act, Concat, Pool, Resize},
};

/// What refines the features of each scale of the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Gated recurrent residual block.
    Grrb {
        /// Its transform sees the features alone, as printed.
        still_input: bool,
        /// Its gate sees the features alone.
        still_gate: bool,
    },
    /// Convolutional LSTM, whose memory begins as the features; for the ablation.
    ConvLstm,
    /// Efficient temporal attention.
    Eta,
    /// Nothing.
    Absent,
}

/// Parameters `enc{k}`, `dec{k}`, `unit{k}` with k the level of the result, `lateral{k}`, `fuse`, `fuse_bn`, `head`.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Var> {
    let mut skips = Vec::new();
    let mut x = picture;
    for (i, width) in model.widths.iter().enumerate() {
        if i > 0 {
            x = net.graph.apply(Pool::max(2, 2, 0), &[x])?;
        }
        x = net.scoped(&format!("enc{}", i + 1), |net| ds_residual(net, x, *width))?;
        skips.push(x);
    }
    skips.pop();
    let mut scales = Vec::new();
    for (i, skip) in skips.into_iter().enumerate().rev() {
        let (level, width) = (i + 1, model.widths[i]);
        let s = net.graph.shape(skip);
        let up = net.graph.apply(Resize::nearest([s.h, s.w]), &[x])?;
        let joined = net.graph.apply(Concat, &[skip, up])?;
        x = net.scoped(&format!("dec{level}"), |net| ds_residual(net, joined, width))?;
        x = net.scoped(&format!("unit{level}"), |net| unit(model, net, x))?;
        x = model.descended(net, picture, level, x)?;
        scales.push((level, x));
    }
    let fused = fuse(model, net, x, &scales)?;
    net.project("head", &[fused], model.out_channels, true)
}

fn unit(model: &Model, net: &mut Net<'_>, x: Var) -> Result<Var> {
    match model.unit {
        Unit::Grrb { still_input, still_gate } => {
            grrb(net, x, Grrb { steps: model.t, still_input, still_gate, act: Act::Identity })
        }
        Unit::ConvLstm => {
            let mut memory = Memory { h: x, c: x };
            for _ in 0..model.t {
                memory = conv_lstm(net, x, memory, Act::Tanh)?;
            }
            Ok(memory.h)
        }
        Unit::Eta => eta(net, x, model.t),
        Unit::Absent => Ok(x),
    }
}

/// Multi-scale context fusion: all scales through 1x1 convolutions to one width, enlarged, summed, then a 3x3 convolution
/// with batch norm and ReLU.
fn fuse(model: &Model, net: &mut Net<'_>, finest: Var, scales: &[(usize, Var)]) -> Result<Var> {
    let (shape, width) = (net.graph.shape(finest), model.widths[0]);
    let mut sum = None;
    for (level, x) in scales {
        let mut lateral = net.project(&format!("lateral{level}"), &[*x], width, true)?;
        if *level > 1 {
            lateral = net.graph.apply(Resize::bilinear([shape.h, shape.w], false), &[lateral])?;
        }
        sum = Some(match sum {
            Some(sum) => net.add(sum, lateral)?,
            None => lateral,
        });
    }
    let x = net.conv("fuse", &[sum.unwrap_or(finest)], width, false)?;
    let x = net.batch_norm("fuse_bn", x, None)?;
    net.act(Act::Relu, x)
}

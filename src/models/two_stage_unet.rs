//! The U-Net of the two-stage paper (section 3, "Model", and its public code): strided convolutions down, transposed ones up,
//! a ReLU after each, no batch norm.

use super::Model;
use crate::{
    Result,
    graph::Var,
    nn::{ConvForm, Net},
    ops::{Act, Concat, Geometry},
};

const HALVING: ConvForm = ConvForm { geometry: Geometry::square(3, 2, 1), bias: true, rectified: true };

/// Parameters `conv.{0..}`, `deconv.{0..}` and `final`, as in the public checkpoints. The first of the decoder sees the deepest
/// features twice; there are no skips at the picture's size.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Var> {
    let mut skips = Vec::new();
    let mut x = picture;
    for (i, width) in model.widths.iter().enumerate() {
        x = net.conv_of(&format!("conv.{i}"), &[x], *width, HALVING)?;
        x = net.act(Act::Relu, x)?;
        skips.push(x);
    }
    for (i, skip) in skips.into_iter().rev().enumerate() {
        let level = model.widths.len() - i;
        let out = if level > 1 { model.widths[level - 2] } else { (model.widths[0] / 2).max(1) };
        let joined = net.graph.apply(Concat, &[x, skip])?;
        x = net.up_conv_of(&format!("deconv.{i}"), joined, out, HALVING, [1; 2])?;
        x = net.act(Act::Relu, x)?;
        x = model.descended(net, picture, level, x)?;
    }
    net.project("final", &[x], model.out_channels, true)
}

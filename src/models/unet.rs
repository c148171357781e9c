//! The public U-Net family: plain, recurrent residual, with attention, and both.

use super::{Model, Network};
use crate::{
    Result,
    graph::Var,
    nn::{Net, attention_gate, rrcnn_block},
    ops::{Pool, Resize},
};

/// Levels are numbered from 1 at the picture's size, as in the public checkpoints.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Var> {
    let recurrent = matches!(model.network, Network::R2UNet | Network::R2AttUNet);
    let gated = matches!(model.network, Network::AttUNet | Network::R2AttUNet);
    let (down, up) = if recurrent { ("RRCNN", "Up_RRCNN") } else { ("Conv", "Up_conv") };
    let block = |net: &mut Net<'_>, name: String, sources: &[Var], width: usize| {
        net.scoped(&name, |net| match recurrent {
            true => rrcnn_block(net, sources, width, model.recurrence()),
            false => double_conv(net, sources, width),
        })
    };
    let mut skips = Vec::new();
    let mut x = picture;
    for (i, width) in model.widths.iter().enumerate() {
        if i > 0 {
            x = net.graph.apply(Pool::max(2, 2, 0), &[x])?;
        }
        x = block(net, format!("{down}{}", i + 1), &[x], *width)?;
        skips.push(x);
    }
    skips.pop();
    for (i, skip) in skips.into_iter().enumerate().rev() {
        let (level, width) = (i + 2, model.widths[i]);
        x = net.scoped(&format!("Up{level}"), |net| up_conv(net, x, width))?;
        let skip = match gated {
            true => {
                net.scoped(&format!("Att{level}"), |net| attention_gate(net, x, skip, (width / 2).max(1)))?
            }
            false => skip,
        };
        x = block(net, format!("{up}{level}"), &[skip, x], width)?;
        x = model.descended(net, picture, i + 1, x)?;
    }
    net.project("Conv_1x1", &[x], model.out_channels, true)
}

fn double_conv(net: &mut Net<'_>, sources: &[Var], width: usize) -> Result<Var> {
    let x = net.conv_bn_relu("conv.0", "conv.1", sources, width)?;
    net.conv_bn_relu("conv.3", "conv.4", &[x], width)
}

fn up_conv(net: &mut Net<'_>, x: Var, width: usize) -> Result<Var> {
    let s = net.graph.shape(x);
    let x = net.graph.apply(Resize::nearest([2 * s.h, 2 * s.w]), &[x])?;
    net.conv_bn_relu("up.1", "up.2", &[x], width)
}

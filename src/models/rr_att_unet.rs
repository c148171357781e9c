//! Recurrent residual U-Net with attention gates and ReLU before batch norm, as the focal Tversky paper has
//! it: max pooling down, transposed convolutions up, gates on all skips but the shallowest.

use super::Model;
use crate::{
    Result,
    graph::Var,
    nn::{GateForm, Net, plain_gate, recurrent_unit},
    ops::Pool,
};

/// Parameters are named `enc{k}`, `up{k}`, `gate{k}`, `dec{k}`, `head`, with k the level of the result.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Var> {
    let mut skips = Vec::new();
    let mut x = picture;
    for (i, width) in model.widths.iter().enumerate() {
        if i > 0 {
            x = net.graph.apply(Pool::max(2, 2, 0), &[x])?;
        }
        x = net.scoped(&format!("enc{}", i + 1), |net| block(model, net, &[x], *width))?;
        skips.push(x);
    }
    skips.pop();
    let form = GateForm { act: model.gate_act, norm: model.gate_bn };
    for (i, skip) in skips.into_iter().enumerate().rev() {
        let (level, width) = (i + 1, model.widths[i]);
        x = net.up_conv(&format!("up{level}"), x, width)?;
        // The paper copies the shallowest skip ungated.
        let skip = match model.attention && level > 1 {
            true => {
                net.scoped(&format!("gate{level}"), |net| plain_gate(net, x, skip, (width / 2).max(1), form))?
            }
            false => skip,
        };
        x = net.scoped(&format!("dec{level}"), |net| block(model, net, &[skip, x], width))?;
        x = model.descended(net, picture, level, x)?;
    }
    net.project("head", &[x], model.out_channels, true)
}

/// Two recurrent units after a 1x1 projection, which is added to their result (eq 7) where `residual`.
fn block(model: &Model, net: &mut Net<'_>, sources: &[Var], width: usize) -> Result<Var> {
    let x = net.project("proj", sources, width, true)?;
    let first = net.scoped("rcl1", |net| recurrent_unit(net, x, model.share, model.recurrence()))?;
    let second = net.scoped("rcl2", |net| recurrent_unit(net, first, model.share, model.recurrence()))?;
    if model.residual { net.add(second, x) } else { Ok(second) }
}

//! GREnet (IEEE TNNLS 35(7), 2024, and its public code): U-Nets one after another, each of which remembers the deepest features of
//! the one before, and is to find more than it.

use super::Model;
use crate::{
    Result,
    graph::Var,
    nn::{ConvForm, Memory, Net, conv_lstm, selective_kernel},
    ops::{Act, Concat, Geometry, Pool, Resize},
};

/// The logits of the `t` stages, the last of which is the network's result. Parameters `stage{k}` with `enc{i}`, `dec{i}` of
/// level i, `head`, and from the second on `cell.conv`, `joined` and `sk`.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Vec<Var>> {
    let mut results = Vec::with_capacity(model.t);
    let mut before = None;
    for k in 1..=model.t.max(1) {
        let (logits, deepest) =
            net.scoped(&format!("stage{k}"), |net| stage(model, net, picture, before, k))?;
        results.push(logits);
        before = Some(deepest);
    }
    Ok(results)
}

/// A U-Net without batch norm; returns its logits and its deepest features. A descent has its place in the last stage.
fn stage(
    model: &Model,
    net: &mut Net<'_>,
    picture: Var,
    before: Option<Var>,
    k: usize,
) -> Result<(Var, Var)> {
    let mut skips = Vec::new();
    let mut x = picture;
    for (i, width) in model.widths.iter().enumerate() {
        if i > 0 {
            x = net.graph.apply(Pool::max(2, 2, 0), &[x])?;
        }
        x = net.scoped(&format!("enc{}", i + 1), |net| double_conv(net, x, *width))?;
        skips.push(x);
    }
    skips.pop();
    if let Some(before) = before {
        x = remember(net, x, before)?;
    }
    let deepest = x;
    for (i, skip) in skips.into_iter().enumerate().rev() {
        let s = net.graph.shape(skip);
        let up = net.graph.apply(Resize::nearest([s.h, s.w]), &[x])?;
        let joined = net.graph.apply(Concat, &[skip, up])?;
        x = net.scoped(&format!("dec{}", i + 1), |net| double_conv(net, joined, model.widths[i]))?;
        if k == model.stages() {
            x = model.descended(net, picture, i + 1, x)?;
        }
    }
    Ok((net.project("head", &[x], model.out_channels, true)?, deepest))
}

/// A ConvLSTM with ReLUs over the features of the stage before and these, joined with those of the stage before by a 1x1
/// convolution, then a selective-kernel block.
fn remember(net: &mut Net<'_>, x: Var, before: Var) -> Result<Var> {
    let shape = net.graph.shape(x);
    let nothing = net.graph.constant("no memory", shape, vec![0.0; shape.count()])?;
    let mut memory = Memory { h: nothing, c: nothing };
    for seen in [before, x] {
        memory = conv_lstm(net, seen, memory, Act::Relu)?;
    }
    let joined = net.project("joined", &[memory.h, before], shape.c, true)?;
    net.scoped("sk", |net| selective_kernel(net, joined))
}

fn double_conv(net: &mut Net<'_>, x: Var, width: usize) -> Result<Var> {
    let form = ConvForm { geometry: Geometry::square(3, 1, 1), bias: true, rectified: true };
    let x = net.conv_of("conv1", &[x], width, form)?;
    let x = net.act(Act::Relu, x)?;
    let x = net.conv_of("conv2", &[x], width, form)?;
    net.act(Act::Relu, x)
}

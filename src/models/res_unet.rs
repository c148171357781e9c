//! ResUNet (Zhang et al. 2018, "Road extraction by deep residual U-Net"): a U-Net of residual units with batch norm and ReLU
//! before each convolution.

use super::Model;
use crate::{
    Result,
    graph::Var,
    nn::{ConvForm, Net},
    ops::{Act, Concat, Geometry, Resize},
};

/// Parameters `enc{k}`, `dec{k}` with k the level from 1 at the picture's size, and `head`.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Var> {
    let mut skips = Vec::new();
    let mut x = picture;
    for (i, width) in model.widths.iter().enumerate() {
        let stride = if i > 0 { 2 } else { 1 };
        x = net.scoped(&format!("enc{}", i + 1), |net| unit(net, x, *width, stride, i > 0))?;
        skips.push(x);
    }
    skips.pop();
    for (i, skip) in skips.into_iter().enumerate().rev() {
        let (level, s) = (i + 1, net.graph.shape(skip));
        let up = net.graph.apply(Resize::nearest([s.h, s.w]), &[x])?;
        let joined = net.graph.apply(Concat, &[skip, up])?;
        x = net.scoped(&format!("dec{level}"), |net| unit(net, joined, model.widths[i], 1, true))?;
        x = model.descended(net, picture, level, x)?;
    }
    net.project("head", &[x], model.out_channels, true)
}

/// Two 3x3 convolutions, the first with `stride`, each after batch norm and ReLU, but the first of the picture itself; a 1x1
/// convolution of the input is added. Parameters `bn1`, `conv1`, `bn2`, `conv2`, `skip`.
fn unit(net: &mut Net<'_>, x: Var, out: usize, stride: usize, active: bool) -> Result<Var> {
    let of = |kernel, rectified| {
        let geometry = Geometry::square(kernel, stride, kernel / 2);
        ConvForm { geometry, bias: true, rectified }
    };
    let z = if active { rectified(net, "bn1", x)? } else { x };
    let z = net.conv_of("conv1", &[z], out, of(3, true))?;
    let z = rectified(net, "bn2", z)?;
    let z = net.conv("conv2", &[z], out, true)?;
    let shortcut = net.conv_of("skip", &[x], out, of(1, false))?;
    net.add(z, shortcut)
}

fn rectified(net: &mut Net<'_>, norm: &str, x: Var) -> Result<Var> {
    let x = net.batch_norm(norm, x, None)?;
    net.act(Act::Relu, x)
}

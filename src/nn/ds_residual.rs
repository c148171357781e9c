//! Depthwise separable residual block (SiGREnet, section II.A.1).

use super::{ConvForm, Net};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Geometry},
};

/// Twice a depthwise 3x3 and a pointwise convolution with batch norm, a ReLU between; the input is added, through a
/// pointwise convolution and a batch norm where its channels are others, and a ReLU follows. Parameters
/// `ds1.{dw,pw,bn}`, `ds2.{dw,pw,bn}` and `skip.{0,1}`, no biases.
///
/// # Errors
/// As the layers.
pub fn ds_residual(net: &mut Net<'_>, x: Var, out: usize) -> Result<Var> {
    let input = net.graph.shape(x).c;
    let z = net.scoped("ds1", |net| separable(net, x, out, true))?;
    let z = net.act(Act::Relu, z)?;
    let z = net.scoped("ds2", |net| separable(net, z, out, false))?;
    let shortcut = match input == out {
        true => x,
        false => {
            let x = net.project("skip.0", &[x], out, false)?;
            net.batch_norm("skip.1", x, None)?
        }
    };
    let sum = net.add(z, shortcut)?;
    net.act(Act::Relu, sum)
}

fn separable(net: &mut Net<'_>, x: Var, out: usize, rectified: bool) -> Result<Var> {
    let geometry = Geometry::square(3, 1, 1).grouped(net.graph.shape(x).c);
    let depthwise = ConvForm { geometry, bias: false, rectified: false };
    let x = net.conv_of("dw", &[x], net.graph.shape(x).c, depthwise)?;
    let x = net.conv_of("pw", &[x], out, ConvForm::pointwise(rectified))?;
    net.batch_norm("bn", x, None)
}

//! The block of EfficientUNet++'s decoder (Silva et al. 2021).

use super::{ConvForm, Net, scse};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Concat, Geometry},
};

/// Pointwise to `expansion` times the channels, depthwise 3x3, scSE, pointwise to `out`; a hardswish after the first
/// two; every convolution with a bias and a batch norm. The input is added, through a pointwise convolution and a
/// batch norm where its channels are others. The input are the channels of all sources. Parameters `block.{0,1,3,4,6,7,8}`
/// and `skip_conv.{0,1}`.
///
/// # Errors
/// As the layers.
pub fn inverted_residual(
    net: &mut Net<'_>,
    sources: &[Var],
    out: usize,
    expansion: usize,
    squeeze: usize,
) -> Result<Var> {
    let input: usize = sources.iter().map(|v| net.graph.shape(*v).c).sum();
    // A convolution reads two sources; a shortcut wants them as one.
    let joined = match sources {
        [_] => None,
        [_, _] if input != out => None,
        _ => Some(net.graph.apply(Concat, sources)?),
    };
    let sources = joined.as_ref().map_or(sources, std::slice::from_ref);
    let inner = expansion * input;
    let mut z = net.conv_of("block.0", sources, inner, ConvForm::pointwise(true).biased())?;
    z = net.batch_norm("block.1", z, None)?;
    z = net.act(Act::Hardswish, z)?;
    let geometry = Geometry::square(3, 1, 1).grouped(inner);
    z = net.conv_of("block.3", &[z], inner, ConvForm { geometry, bias: true, rectified: true })?;
    z = net.batch_norm("block.4", z, None)?;
    z = net.act(Act::Hardswish, z)?;
    z = net.scoped("block.6", |net| scse(net, z, squeeze))?;
    z = net.project("block.7", &[z], out, true)?;
    z = net.batch_norm("block.8", z, None)?;
    let shortcut = match sources {
        [x] if input == out => *x,
        _ => {
            let x = net.project("skip_conv.0", sources, out, true)?;
            net.batch_norm("skip_conv.1", x, None)?
        }
    };
    net.add(z, shortcut)
}

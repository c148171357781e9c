//! Concurrent spatial and channel squeeze-and-excitation (Roy et al. 2018).

use super::{ConvForm, Net};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Keep, Reduce},
};

/// `x * c + x * s`: c a number a channel from the picture's means, through `c / squeeze` channels inside (at least
/// 1), s a number a pixel. The two are summed, as the public code of EfficientUNet++ does, and not the larger one
/// taken. Parameters `cSE.1`, `cSE.3`, `sSE.0`, all with a bias.
///
/// # Errors
/// As the layers.
pub fn scse(net: &mut Net<'_>, x: Var, squeeze: usize) -> Result<Var> {
    let shape = net.graph.shape(x);
    let reduced = (shape.c / squeeze.max(1)).max(1);
    let mean = net.graph.apply(Reduce::mean(Keep::PictureChannels, shape), &[x])?;
    let squeezed = net.conv_of("cSE.1", &[mean], reduced, ConvForm::pointwise(true).biased())?;
    let squeezed = net.act(Act::Relu, squeezed)?;
    let channels = net.project("cSE.3", &[squeezed], shape.c, true)?;
    let channels = net.act(Act::Sigmoid, channels)?;
    let pixels = net.project("sSE.0", &[x], 1, true)?;
    let pixels = net.act(Act::Sigmoid, pixels)?;
    let (by_channel, by_pixel) = (net.mul(x, channels)?, net.mul(x, pixels)?);
    net.add(by_channel, by_pixel)
}

//! Squeeze-and-excitation (Hu et al. 2018).

use super::{ConvForm, Net};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Keep, Reduce},
};

/// `x * sigmoid(conv_expand(act(conv_reduce(mean of x over each picture))))`, with `reduced` channels inside, as
/// timm has it. Parameters `conv_reduce` and `conv_expand`, both with a bias.
///
/// # Errors
/// As the layers.
pub fn squeeze_excite(net: &mut Net<'_>, x: Var, reduced: usize, act: Act) -> Result<Var> {
    let shape = net.graph.shape(x);
    let mean = net.graph.apply(Reduce::mean(Keep::PictureChannels, shape), &[x])?;
    let squeezed = net.conv_of("conv_reduce", &[mean], reduced, ConvForm::pointwise(true).biased())?;
    let squeezed = net.act(act, squeezed)?;
    let gate = net.project("conv_expand", &[squeezed], shape.c, true)?;
    let gate = net.act(Act::Sigmoid, gate)?;
    net.mul(x, gate)
}

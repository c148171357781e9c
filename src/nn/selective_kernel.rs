//! Selective-kernel block (Li et al. 2019).

use super::{ConvForm, Net};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Binary, BinaryKind, Geometry, Keep, Reduce},
};

/// `a s + b (1 - s)` with a and b a 3x3 and a 5x5 convolution of `x`, each with a ReLU, and s a number a channel: from
/// the means of `a + b` over a picture through a 1x1 convolution with batch norm and ReLU and two more 1x1
/// convolutions, whose softmax over the two branches is the sigmoid of their difference. From and to `[N, H, W, C]`.
/// Parameters `conv3`, `conv5`, `squeeze.{0,1}`, `select3`, `select5`.
///
/// # Errors
/// As the layers; batch norm in training needs two pictures.
pub fn selective_kernel(net: &mut Net<'_>, x: Var) -> Result<Var> {
    let shape = net.graph.shape(x);
    let branch = |net: &mut Net<'_>, kernel: usize| {
        let form =
            ConvForm { geometry: Geometry::square(kernel, 1, kernel / 2), bias: true, rectified: true };
        let y = net.conv_of(&format!("conv{kernel}"), &[x], shape.c, form)?;
        net.act(Act::Relu, y)
    };
    let (a, b) = (branch(net, 3)?, branch(net, 5)?);
    let both = net.add(a, b)?;
    let means = net.graph.apply(Reduce::mean(Keep::PictureChannels, shape), &[both])?;
    let z = net.project("squeeze.0", &[means], shape.c, true)?;
    let z = net.batch_norm("squeeze.1", z, None)?;
    let z = net.act(Act::Relu, z)?;
    let of_a = net.project("select3", &[z], shape.c, true)?;
    let of_b = net.project("select5", &[z], shape.c, true)?;
    let apart = net.graph.apply(Binary::new(BinaryKind::Sub), &[of_a, of_b])?;
    let share = net.act(Act::Sigmoid, apart)?;
    let difference = net.graph.apply(Binary::new(BinaryKind::Sub), &[a, b])?;
    let part = net.mul(difference, share)?;
    net.add(b, part)
}

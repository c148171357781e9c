//! EfficientUNet++ (Silva et al. 2021): an EfficientNet, the dense grid of UNet++ over its features, and inverted
//! residual blocks with scSE in the grid.

use super::Model;
use crate::{
    Error, Result,
    graph::Var,
    nn::{ConvForm, Net, Scheme, inverted_residual},
    ops::{Geometry, Resize},
};

/// Names in public checkpoints begin so where no segmentation uses them: the encoder's last convolution.
const UNUSED: [&str; 2] = ["encoder.conv_head.", "encoder.bn2."];

/// Whether public checkpoints of these networks hold a tensor of this name that nothing is computed from.
pub fn is_unused(name: &str) -> bool {
    UNUSED.iter().any(|start| name.starts_with(start))
}

/// Parameters are named as in the public code: `encoder`, `decoder.blocks.x_{row}_{column}`, `segmentation_head.0`.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Var> {
    let &[.., last] = &model.widths[..] else { return Err(unfit(model)) };
    if model.widths.len() != 5 || model.expansion == 0 || model.squeeze == 0 {
        return Err(unfit(model));
    }
    let public = |part: Scheme| if model.scheme == Scheme::Public { part } else { model.scheme };
    let mut features = net.scoped("encoder", |net| {
        (net.scheme, net.bn_eps) = (public(Scheme::FanOut), model.encoder.bn_eps);
        net.frozen = model.encoder.frozen;
        model.encoder.build(net, picture)
    })?;
    features.reverse();
    let y = net.scoped("decoder.blocks", |net| {
        net.scheme = public(Scheme::Kaiming);
        grid(model, net, picture, &features, last)
    })?;
    net.scheme = public(Scheme::Xavier);
    let form = ConvForm { geometry: Geometry::square(3, 1, 1), bias: true, rectified: false };
    net.conv_of("segmentation_head.0", &[y], model.out_channels, form)
}

fn unfit(model: &Model) -> Error {
    let (widths, e, s) = (&model.widths, model.expansion, model.squeeze);
    let message = format!(
        "wants five widths of the decoder, deepest first, and a positive expansion and squeeze; got {widths:?}, {e} and {s}"
    );
    Error::shape("efficientunetpp", message)
}

/// The dense grid over `features`, deepest first. In column l and row d a block joins what lies left of it, enlarged,
/// with all below it in the column down to the encoder's feature of that size. Row 0 has the decoder's widths, the
/// others those of the encoder. What comes last has the size of the picture, and no feature to join.
fn grid(model: &Model, net: &mut Net<'_>, picture: Var, features: &[Var], last: usize) -> Result<Var> {
    let columns = features.len() - 1;
    let mut left: Vec<Var> = Vec::new();
    for l in 0..columns {
        let feature = features[l + 1];
        // Rows of this column from row d down, and the feature below them.
        let mut column = vec![feature];
        for d in (0..=l).rev() {
            let from = if d == l { features[l] } else { left[d] };
            let width = if d == 0 { model.widths[l] } else { net.graph.shape(feature).c };
            let mut made =
                net.scoped(&format!("x_{d}_{l}"), |net| block(model, net, from, &column, width))?;
            if d == 0 {
                made = model.descended(net, picture, columns - l + 1, made)?;
            }
            column.insert(0, made);
        }
        left = column;
    }
    let made = net.scoped(&format!("x_0_{columns}"), |net| block(model, net, left[0], &[], last))?;
    model.descended(net, picture, 1, made)
}

/// Doubles `x` by repetition and runs two inverted residual blocks over it and `skips`.
fn block(model: &Model, net: &mut Net<'_>, x: Var, skips: &[Var], width: usize) -> Result<Var> {
    let s = net.graph.shape(x);
    let mut sources = vec![net.graph.apply(Resize::nearest([2 * s.h, 2 * s.w]), &[x])?];
    sources.extend(skips);
    let (e, r) = (model.expansion, model.squeeze);
    let y = net.scoped("conv1", |net| inverted_residual(net, &sources, width, e, r))?;
    net.scoped("conv2", |net| inverted_residual(net, &[y], width, e, r))
}

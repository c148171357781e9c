//! The blocks of EfficientNets (Tan and Le 2019), as timm has them.

use super::{ConvForm, Net, squeeze_excite};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Geometry},
};

/// How a strided convolution is padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Half the kernel on all sides, as PyTorch does.
    #[default]
    Symmetric,
    /// As TensorFlow's "same": just enough for a size of `ceil(size / stride)`, the odd one at the bottom and right.
    /// Weights that were trained so want it.
    Same,
}

impl Padding {
    /// A square kernel so padded, on a tensor of this height and width.
    pub fn geometry(self, kernel: usize, stride: usize, [h, w]: [usize; 2]) -> Geometry {
        let symmetric = Geometry::square(kernel, stride, kernel / 2);
        if self == Self::Symmetric {
            return symmetric;
        }
        let along = |size: usize| {
            let needed = (size.div_ceil(stride).saturating_sub(1) * stride + kernel).saturating_sub(size);
            (needed / 2, needed.div_ceil(2))
        };
        let ((top, bottom), (left, right)) = (along(h), along(w));
        Geometry { pads: [top, left, bottom, right], ..symmetric }
    }
}

/// Settings of [`mbconv`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MbConv {
    /// Height and width of the depthwise kernel.
    pub kernel: usize,
    /// Its stride.
    pub stride: usize,
    /// An inverted residual block with so many times the input's channels inside; none: a depthwise-separable
    /// block.
    pub expand: Option<usize>,
    /// Output channels.
    pub out: usize,
    /// Channels inside the squeeze-and-excitation; none: there is none.
    pub reduced: Option<usize>,
    /// After all convolutions but the last.
    pub act: Act,
    /// Of the depthwise convolution.
    pub padding: Padding,
    /// Probability with which a picture of a training batch takes the shortcut alone, where there is one.
    pub drop: f32,
}

/// A depthwise-separable or an inverted residual block, with the input added where sizes agree. Parameters `conv_pw`
/// (expansion), `conv_dw`, `se`, `conv_pwl` (projection; `conv_pw` where nothing is expanded), and `bn1` to `bn3` in
/// the order of the convolutions.
///
/// # Errors
/// As the layers.
pub fn mbconv(net: &mut Net<'_>, x: Var, form: &MbConv) -> Result<Var> {
    let input = net.graph.shape(x);
    let (mut z, mut norms) = (x, ["bn1", "bn2", "bn3"].into_iter());
    let mut normed = |net: &mut Net<'_>, z: Var| net.batch_norm(norms.next().unwrap_or("bn"), z, None);
    if let Some(expand) = form.expand {
        z = net.conv_of("conv_pw", &[z], expand * input.c, ConvForm::pointwise(true))?;
        z = normed(net, z)?;
        z = net.act(form.act, z)?;
    }
    let inner = net.graph.shape(z).c;
    let geometry = form.padding.geometry(form.kernel, form.stride, [input.h, input.w]).grouped(inner);
    z = net.conv_of("conv_dw", &[z], inner, ConvForm { geometry, bias: false, rectified: true })?;
    z = normed(net, z)?;
    z = net.act(form.act, z)?;
    if let Some(reduced) = form.reduced {
        z = net.scoped("se", |net| squeeze_excite(net, z, reduced, form.act))?;
    }
    let last = if form.expand.is_some() { "conv_pwl" } else { "conv_pw" };
    z = net.conv_of(last, &[z], form.out, ConvForm::pointwise(false))?;
    z = normed(net, z)?;
    if form.stride != 1 || form.out != input.c {
        return Ok(z);
    }
    z = net.drop_path(form.drop, z)?;
    net.add(z, x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_halves_sizes_upwards_and_puts_the_odd_one_last() {
        let of = |kernel, stride, size| Padding::Same.geometry(kernel, stride, [size, size + 1]);
        assert_eq!(of(3, 2, 8).pads, [0, 1, 1, 1]);
        assert_eq!(of(5, 2, 8).pads, [1, 2, 2, 2]);
        assert_eq!(of(3, 1, 8).pads, [1, 1, 1, 1]);
        for (kernel, stride, size) in [(3, 2, 9), (5, 2, 8), (5, 1, 3), (3, 2, 1), (1, 2, 7)] {
            let out = of(kernel, stride, size).output(size, size + 1);
            assert_eq!(out, Some([size.div_ceil(stride), (size + 1).div_ceil(stride)]));
        }
        assert_eq!(Padding::Symmetric.geometry(5, 2, [8, 9]).pads, [2; 4]);
    }
}

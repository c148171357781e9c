//! EfficientNets (Tan and Le 2019) as encoders, with timm's layout and names.

use crate::{
    Error, Result,
    graph::Var,
    nn::{ConvForm, MbConv, Net, Padding, mbconv},
    ops::Act,
};

/// Blocks of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Inverted residual blocks that widen their input so many times; none: depthwise-separable blocks.
    pub expand: Option<usize>,
    /// Number of blocks.
    pub repeats: usize,
    /// Height and width of the depthwise kernels.
    pub kernel: usize,
    /// Stride of the first block: 1 or 2.
    pub stride: usize,
    /// Output channels.
    pub out: usize,
}

/// An EfficientNet without its classifier, and without the last pointwise convolution that belongs to that.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoder {
    /// Channels of the first convolution, which halves the picture.
    pub stem: usize,
    /// The stages in order.
    pub stages: Vec<Stage>,
    /// Channels inside the squeeze-and-excitation of a block, as a share of the block's input channels; none: there
    /// is none.
    pub se_ratio: Option<f32>,
    /// The activation.
    pub act: Act,
    /// Of all strided and depthwise convolutions.
    pub padding: Padding,
    /// Epsilon of its batch norms.
    pub bn_eps: f32,
    /// Probability of the last block to be skipped by a picture in training; it rises from 0, block by block.
    pub drop_path: f32,
    /// Weights and statistics stay as they are in training, too.
    pub frozen: bool,
}

/// The stages of B0: expansion (0: depthwise-separable), repeats, kernel, stride, channels.
const B0: [[usize; 5]; 7] = [
    [0, 1, 3, 1, 16],
    [6, 2, 3, 2, 24],
    [6, 2, 5, 2, 40],
    [6, 3, 3, 2, 80],
    [6, 3, 5, 1, 112],
    [6, 4, 5, 2, 192],
    [6, 1, 3, 1, 320],
];

/// Factors of width and depth of B0 to B7.
const SCALES: [(&str, f64, f64); 8] = [
    ("b0", 1.0, 1.0),
    ("b1", 1.0, 1.1),
    ("b2", 1.1, 1.2),
    ("b3", 1.2, 1.4),
    ("b4", 1.4, 1.8),
    ("b5", 1.6, 2.2),
    ("b6", 1.8, 2.6),
    ("b7", 2.0, 3.1),
];

/// `channels` times `factor`, to the nearest multiple of 8 that is not below nine tenths of it.
fn scaled(channels: usize, factor: f64) -> usize {
    let wanted = channels as f64 * factor;
    let rounded = (((wanted + 4.0) / 8.0) as usize * 8).max(8);
    if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
}

impl Encoder {
    /// B0 with its widths and depths times these factors. Batch norm's epsilon is PyTorch's; padding is symmetric;
    /// the last block is skipped with probability 0.2.
    pub fn scaled(width: f64, depth: f64) -> Self {
        let stage = |[expand, repeats, kernel, stride, out]: [usize; 5]| Stage {
            expand: (expand > 0).then_some(expand),
            repeats: (repeats as f64 * depth).ceil() as usize,
            kernel,
            stride,
            out: scaled(out, width),
        };
        Self {
            stem: scaled(32, width),
            stages: B0.map(stage).into(),
            se_ratio: Some(0.25),
            act: Act::Silu,
            padding: Padding::Symmetric,
            bn_eps: 1e-5,
            drop_path: 0.2,
            frozen: false,
        }
    }

    /// EfficientNet-Lite0: B0 without squeeze-and-excitation, with ReLU6 and an epsilon of 1e-3.
    pub fn lite0() -> Self {
        Self { se_ratio: None, act: Act::Relu6, bn_eps: 1e-3, ..Self::scaled(1.0, 1.0) }
    }

    /// By its name: `b0` to `b7`, or `lite0`.
    ///
    /// # Errors
    /// [`Error::Config`] for any other.
    pub fn named(name: &str) -> Result<Self> {
        if name == "lite0" {
            return Ok(Self::lite0());
        }
        let found = SCALES.iter().find(|known| known.0 == name);
        found.map(|(_, width, depth)| Self::scaled(*width, *depth)).ok_or_else(|| {
            Error::Config(format!("there is no encoder {name:?}; there are b0 to b7 and lite0"))
        })
    }

    /// Whether it has five features, each of half the size of the one before.
    fn check(&self) -> Result<()> {
        let fail = |message: String| Err(Error::shape("encoder", message));
        let halved = self.stages.iter().filter(|s| s.stride == 2).count();
        if halved != 4 || self.stages.iter().any(|s| !matches!(s.stride, 1 | 2)) {
            let strides: Vec<usize> = self.stages.iter().map(|s| s.stride).collect();
            return fail(format!("strides of the stages must be 1 or, four times, 2; got {strides:?}"));
        }
        let empty = |s: &Stage| [s.repeats, s.kernel, s.out, s.expand.unwrap_or(1)].contains(&0);
        match self.stages.iter().find(|s| empty(s)) {
            _ if self.stem == 0 => fail("the stem has no channels".into()),
            Some(stage) => fail(format!("repeats, kernel and channels must be positive in {stage:?}")),
            None => Ok(()),
        }
    }

    /// Its features at strides 2, 4, 8, 16 and 32: of the stem, and of the stages before each that halves and the
    /// last. Parameters `conv_stem`, `bn1`, and `blocks.{stage}.{block}`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the stages do not make five features, or as the layers.
    pub fn build(&self, net: &mut Net<'_>, x: Var) -> Result<Vec<Var>> {
        self.check()?;
        let shape = net.graph.shape(x);
        let geometry = self.padding.geometry(3, 2, [shape.h, shape.w]);
        let form = ConvForm { geometry, bias: false, rectified: true };
        let stem = net.conv_of("conv_stem", &[x], self.stem, form)?;
        let stem = net.batch_norm("bn1", stem, None)?;
        let stem = net.act(self.act, stem)?;
        let blocks: usize = self.stages.iter().map(|s| s.repeats).sum();
        let (mut z, mut features, mut done) = (stem, Vec::new(), 0);
        for (i, stage) in self.stages.iter().enumerate() {
            if stage.stride == 2 {
                features.push(if features.is_empty() { stem } else { z });
            }
            for block in 0..stage.repeats {
                let drop = self.drop_path * done as f32 / blocks as f32;
                let form = self.block(stage, block, net.graph.shape(z).c, drop);
                z = net.scoped(&format!("blocks.{i}.{block}"), |net| mbconv(net, z, &form))?;
                done += 1;
            }
        }
        features.push(z);
        Ok(features)
    }

    fn block(&self, stage: &Stage, index: usize, input: usize, drop: f32) -> MbConv {
        let reduced = |ratio: f32| ((input as f32 * ratio + 0.5) as usize).max(1);
        MbConv {
            kernel: stage.kernel,
            stride: if index == 0 { stage.stride } else { 1 },
            expand: stage.expand,
            out: stage.out,
            reduced: self.se_ratio.map(reduced),
            act: self.act,
            padding: self.padding,
            drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_and_depths_are_the_published_ones() {
        let of = |name: &str| {
            let e = Encoder::named(name).unwrap();
            let column = |f: fn(&Stage) -> usize| e.stages.iter().map(f).collect::<Vec<_>>();
            (e.stem, column(|s| s.out), column(|s| s.repeats))
        };
        assert_eq!(of("b0"), (32, vec![16, 24, 40, 80, 112, 192, 320], vec![1, 2, 2, 3, 3, 4, 1]));
        assert_eq!(of("b3"), (40, vec![24, 32, 48, 96, 136, 232, 384], vec![2, 3, 3, 5, 5, 6, 2]));
        assert_eq!(of("b7"), (64, vec![32, 48, 80, 160, 224, 384, 640], vec![4, 7, 7, 10, 10, 13, 4]));
        assert_eq!(of("lite0"), of("b0"));
        assert!(Encoder::named("b8").unwrap_err().to_string().contains("b0 to b7"));
    }
}

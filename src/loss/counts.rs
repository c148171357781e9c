//! Soft counts of right and wrong pixels, which the losses of overlap are made of.

use super::shares;
use crate::{
    Result,
    gpu::Variant,
    graph::{Access, Array, Graph, Lowering, Shape, Var},
    ops::{Act, Activation, Softmax},
};

/// What an overlap is summed over before it is divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All pixels of the batch.
    #[default]
    Batch,
    /// The pixels of each picture; the losses of the pictures are averaged.
    Image,
}

/// How logits become probabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Each channel by itself.
    #[default]
    Sigmoid,
    /// The channels of a pixel share one.
    Softmax,
}

impl Link {
    /// Adds the probabilities of `logits`.
    pub(super) fn apply(self, graph: &mut Graph, logits: Var) -> Result<Var> {
        match self {
            Self::Softmax => graph.apply(Softmax::new(), &[logits]),
            Self::Sigmoid => graph.apply(Activation::new(Act::Sigmoid), &[logits]),
        }
    }
}

impl Scope {
    /// Groups of pixels that are summed over by themselves.
    pub(super) const fn groups(self, x: Shape) -> usize {
        match self {
            Self::Batch => 1,
            Self::Image => x.n,
        }
    }
}

impl Link {
    pub(super) fn probabilities(self, x: &Array) -> Array {
        if self == Self::Sigmoid {
            return x.map(|v| Act::Sigmoid.value(v));
        }
        let mut p = x.clone();
        for pixel in p.data.chunks_exact_mut(x.shape.c) {
            let largest = pixel.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            pixel.iter_mut().for_each(|v| *v = (*v - largest).exp());
            let sum: f64 = pixel.iter().sum();
            pixel.iter_mut().for_each(|v| *v /= sum);
        }
        p
    }

    /// Turns derivatives by the probabilities `p` into those by the logits.
    pub(super) fn by_logits(self, slopes: &mut Array, p: &Array) {
        let c = p.shape.c;
        for (pixel, p) in slopes.data.chunks_exact_mut(c).zip(p.data.chunks_exact(c)) {
            let mean: f64 = pixel.iter().zip(p).map(|(s, p)| s * p).sum();
            for (s, p) in pixel.iter_mut().zip(p) {
                *s = match self {
                    Self::Sigmoid => *s * p * (1.0 - p),
                    Self::Softmax => p * (*s - mean),
                };
            }
        }
    }
}

/// How the counts of logits (input 0) against a target (input 1) are made on the device.
#[derive(Clone, Copy, Debug)]
pub(super) struct SoftCounts {
    x: Shape,
    link: Link,
    /// Groups of pixels.
    pub groups: usize,
    /// Parts that the pixels of a group are summed in.
    pub shares: usize,
    /// Counts of a class: hits, false positives, false negatives, and where all are wanted the right ones outside.
    pub sums: usize,
}

impl SoftCounts {
    pub fn new(x: Shape, scope: Scope, link: Link, all: bool) -> Self {
        let groups = scope.groups(x);
        let shares = shares(x.pixels() / groups, groups * x.c4());
        Self { x, link, groups, shares, sums: if all { 4 } else { 3 } }
    }

    fn softmax(&self) -> bool {
        self.link == Link::Softmax
    }

    /// Adds the pass that leaves the counts of each group, share and class: `[groups, shares, sums, C]`.
    pub fn sum(&self, l: &mut Lowering<'_>) -> Var {
        let Self { x, groups, shares, sums, .. } = *self;
        let partial = l.scratch("partial", Shape::new(groups, shares, sums, x.c));
        let params = vec![
            ("groups", groups.into()),
            ("pixels", (x.pixels() / groups).into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("shares", shares.into()),
        ];
        let variant = Variant::new("loss/overlap_sums")
            .feature("softmax", self.softmax())
            .feature("neither", sums == 4)
            .constant("SUMS", sums as u32);
        let buffers = vec![Access::Write(partial), Access::Read(l.input(0)), Access::Read(l.input(1))];
        l.dispatch(variant, params, buffers, 64 * groups * shares * x.c4());
        partial
    }

    /// Adds the pass that leaves the gradient by the logits in output 1. `slopes` `[groups, 1, 2, C]` are the
    /// derivatives by a probability where the target is 1, and where it is 0.
    pub fn differentiate(&self, l: &mut Lowering<'_>, slopes: Var) {
        let x = self.x;
        let size = if self.softmax() { x.pixels() } else { x.vec4s() };
        let params = vec![
            ("size", size.into()),
            ("pixels", (x.pixels() / self.groups).into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
        ];
        let variant = Variant::new("loss/overlap_grad").feature("softmax", self.softmax());
        let (logits, target) = (Access::Read(l.input(0)), Access::Read(l.input(1)));
        let buffers = vec![Access::Write(l.output(1)), logits, target, Access::Read(slopes)];
        l.dispatch(variant, params, buffers, size);
    }
}

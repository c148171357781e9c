//! Sums over some of the axes, of a tensor or of the product of two.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Lowering, Operator, Shape, Var},
};

use super::{BatchNormGrad, Binary, BinaryKind, Broadcast};

/// What a reduction keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// One number a channel: (1,1,1,C).
    Channels,
    /// One number a picture and channel: (N,1,1,C).
    PictureChannels,
    /// One number a pixel: (N,H,W,1).
    Pixels,
    /// One number.
    Nothing,
}

impl Keep {
    /// What is left of `x`.
    pub const fn shape(self, x: Shape) -> Shape {
        match self {
            Self::Channels => Shape::channels(x.c),
            Self::PictureChannels => Shape::new(x.n, 1, 1, x.c),
            Self::Pixels => Shape::new(x.n, x.h, x.w, 1),
            Self::Nothing => Shape::SCALAR,
        }
    }
}

/// `y = scale * sum of x` over the axes that are not kept.
///
/// Inputs: x, where `product` is set a second factor of its shape, and where `into` is set an accumulator
/// that the sum is added to.
#[derive(Clone, Debug)]
pub struct Reduce {
    /// What is left.
    pub keep: Keep,
    /// Factor of the sum.
    pub scale: f32,
    product: bool,
    into: bool,
}

/// Most shares that one sum is split into.
const SHARES: usize = 128;

/// Shares of `pixels` such that each has enough to do and the device has enough of them.
pub(super) fn shares(pixels: usize, c4: usize) -> usize {
    (16_384 / c4.max(1)).min(pixels.div_ceil(8)).clamp(1, SHARES)
}

/// Adds `dy` summed over all pixels to the accumulator of a bias, input number `slot`.
pub(super) fn bias_gradient(b: &mut Backward<'_>, slot: usize, dy: Var) -> Result<()> {
    let op = Reduce::sum(Keep::Channels);
    if let Some(sum) = b.accumulator(slot) {
        // What the batch's own statistics centred sums to nothing, and they would take any bias out again.
        let maker = b.graph.nodes.iter().rfind(|node| node.outputs.first() == Some(&dy));
        if maker.and_then(|node| node.op.is::<BatchNormGrad>()).is_some_and(|op| op.train) {
            return Ok(());
        }
        return b.graph.apply_all(Reduce { into: true, ..op }, &[dy, sum]).map(|_| ());
    }
    let db = b.graph.apply(op, &[dy])?;
    b.give(slot, db);
    Ok(())
}

impl Reduce {
    /// Plain sum; input x.
    pub const fn sum(keep: Keep) -> Self {
        Self::scaled(keep, 1.0)
    }

    /// Sum times `scale`; input x.
    pub const fn scaled(keep: Keep, scale: f32) -> Self {
        Self { keep, scale, product: false, into: false }
    }

    /// Sum of the product of two tensors; inputs a, b.
    pub const fn sum_of_product(keep: Keep) -> Self {
        Self { keep, scale: 1.0, product: true, into: false }
    }

    /// Mean over the axes that are not kept; input x.
    pub fn mean(keep: Keep, x: Shape) -> Self {
        Self::scaled(keep, keep.shape(x).count() as f32 / x.count() as f32)
    }

    /// Sums over pixels: `pictures` groups of pixels each, into `out`.
    fn over_pixels(&self, l: &mut Lowering<'_>, pictures: usize, out: Var, into: bool, scale: f32) {
        let x = l.input_shape(0);
        let pixels = x.pixels() / pictures;
        let shares = shares(pixels, x.c4() * pictures);
        let partial = l.scratch("partial", Shape::new(pictures, shares, 1, x.c));
        let params = vec![
            ("pictures", pictures.into()),
            ("pixels", pixels.into()),
            ("c4", x.c4().into()),
            ("shares", shares.into()),
        ];
        let mut buffers = vec![Access::Write(partial), Access::Read(l.input(0))];
        if self.product {
            buffers.push(Access::Read(l.input(1)));
        }
        let variant = Variant::new("reduce/pixels").feature("product", self.product);
        l.dispatch(variant, params, buffers, pictures * shares * x.c4());
        let params = vec![
            ("size", (pictures * x.c4()).into()),
            ("c4", x.c4().into()),
            ("shares", shares.into()),
            ("scale", scale.into()),
        ];
        let variant = Variant::new("reduce/shares").feature("into", into);
        l.dispatch(variant, params, vec![Access::Write(out), Access::Read(partial)], pictures * x.c4());
    }
}

/// Sums over channels: one number a pixel of `x`.
fn over_channels(l: &mut Lowering<'_>, x: Shape, factors: &[Var], out: Var, scale: f32) {
    let params = vec![("pixels", x.pixels().into()), ("c4", x.c4().into()), ("scale", scale.into())];
    let mut buffers = vec![Access::Write(out)];
    buffers.extend(factors.iter().map(|v| Access::Read(*v)));
    let variant = Variant::new("reduce/channels").feature("product", factors.len() > 1);
    l.dispatch(variant, params, buffers, x.pixels());
}

impl Operator for Reduce {
    fn name(&self) -> &'static str {
        "reduce"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let x = inputs[0];
        let y = self.keep.shape(x);
        let factor = !self.product || inputs[1] == x;
        let sum = !self.into || (inputs.last() == Some(&y) && self.keep == Keep::Channels);
        if !factor || !sum {
            return Err(Error::shape("reduce", format!("shapes do not fit {self:?}: {inputs:?}")));
        }
        Ok(if self.into { Vec::new() } else { vec![y] })
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.into) else {
            return Err(Error::shape("reduce", "second derivatives are not built"));
        };
        if !self.product {
            let spread = Broadcast { to: b.shape(0), scale: self.scale };
            let dx = b.graph.apply(spread, &[dy])?;
            b.give(0, dx);
            return Ok(());
        }
        for (slot, other) in [(0, b.input(1)), (1, b.input(0))] {
            if b.wants(slot) {
                let dx = b.graph.apply(Binary::new(BinaryKind::Mul), &[other, dy])?;
                b.give(slot, dx);
            }
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let factors: Vec<Var> = (0..1 + usize::from(self.product)).map(|i| l.input(i)).collect();
        let out = if self.into { l.input(l.inputs() - 1) } else { l.output(0) };
        match self.keep {
            Keep::Channels => self.over_pixels(l, 1, out, self.into, self.scale),
            Keep::PictureChannels => self.over_pixels(l, x.n, out, false, self.scale),
            Keep::Pixels => over_channels(l, x, &factors, out, self.scale),
            Keep::Nothing => {
                let sums = l.scratch("sums", Shape::channels(x.c));
                self.over_pixels(l, 1, sums, false, 1.0);
                over_channels(l, Shape::channels(x.c), &[sums], out, self.scale);
            }
        }
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let s = self.keep.shape(x.shape);
        let mut y = if self.into { inputs[inputs.len() - 1].clone() } else { Array::zeros(s) };
        let pick = |i: usize, size: usize| if size == 1 { 0 } else { i };
        Array::from_fn(x.shape, |n, h, w, c| {
            let i = x.index(n, h, w, c);
            let v = x.data[i] * if self.product { inputs[1].data[i] } else { 1.0 };
            *y.at_mut(pick(n, s.n), pick(h, s.h), pick(w, s.w), pick(c, s.c)) += f64::from(self.scale) * v;
            0.0
        });
        vec![y]
    }

    fn updates(&self) -> Vec<usize> {
        if self.into { vec![1 + usize::from(self.product)] } else { Vec::new() }
    }
}

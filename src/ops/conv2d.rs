//! Convolution: dense (also over a concatenation of sources), grouped and depthwise.

mod form;
mod gather;
mod geometry;
mod sliding;
mod winograd;

use std::sync::Arc;

pub use self::geometry::Geometry;
pub(super) use self::{
    form::{Form, Product},
    gather::{Epilogue, Gather, Tensors},
    sliding::SlidingTile,
};
use super::{Act, Activation, BatchNorm, Binary, Conv2dWeightGrad, ConvTranspose2d, Join};
use crate::{
    Error, Result,
    graph::{Access, Array, Backward, Cost, Forms, FuseShapes, Lowering, Operator, Shape, Site},
};

/// `y = act(norm(conv(x, w) + bias) + residual)`, with norm and residual on either side of the activation.
///
/// Inputs: one or two sources `[N, H, W, Ci]`; the weight `[kh, kw, sum of padded Ci, Co]` (grouped:
/// `[kh, kw, Ci / groups, Co]`); then, where set, the bias `[Co]`; scale, shift, mean and variance of a
/// batch norm in evaluation, each `[Co]`; the residual, shaped like y.
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// Kernel, stride, padding.
    pub geometry: Geometry,
    /// Sources that together make the input channels: 1 or 2.
    pub sources: usize,
    /// Adds a bias.
    pub bias: bool,
    /// Applies a batch norm by fixed statistics. Has no gradient.
    pub norm: Option<FixedNorm>,
    /// Adds a residual. After the activation it has no gradient.
    pub residual: Join,
    /// The activation.
    pub act: Act,
}

/// Batch norm by fixed statistics, folded into a convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedNorm {
    /// Added to the variance.
    pub eps: f32,
    /// Applied after the activation; else before it.
    pub after: bool,
}

impl Conv2d {
    /// A plain convolution of one source.
    pub const fn new(geometry: Geometry) -> Self {
        Self { geometry, sources: 1, bias: false, norm: None, residual: Join::None, act: Act::Identity }
    }

    /// Input number of bias, batch norm's first tensor and residual.
    pub(crate) fn slots(&self) -> (usize, usize, usize) {
        let bias = self.sources + 1;
        let norm = bias + usize::from(self.bias);
        (bias, norm, norm + if self.norm.is_some() { 4 } else { 0 })
    }

    fn dense(&self) -> bool {
        self.geometry.groups == 1
    }

    fn input_channels(&self, inputs: &[Shape]) -> usize {
        inputs[..self.sources].iter().map(|s| s.c).sum()
    }

    fn expected_weight(&self, inputs: &[Shape]) -> (usize, usize) {
        let g = &self.geometry;
        if self.dense() {
            (inputs[..self.sources].iter().map(|s| 4 * s.c4()).sum(), inputs[self.sources].c)
        } else {
            (inputs[0].c / g.groups, inputs[1].c)
        }
    }

    fn gather(&self, inputs: &[Shape], out: Shape) -> Gather {
        let w = inputs[self.sources];
        Gather {
            out,
            input: inputs[0],
            second_c4: if self.sources == 2 { inputs[1].c4() } else { 0 },
            geometry: self.geometry,
            adjoint: false,
            batched: false,
            rows: w.w,
            first_row: 0,
            cols4: w.c4(),
            slope: self.act.slope(),
        }
    }

    fn check(&self, inputs: &[Shape]) -> Result<()> {
        let fail = |message: String| Err(Error::shape("conv2d", message));
        let (x, w, g) = (inputs[0], inputs[self.sources], &self.geometry);
        if !g.valid() {
            return fail(format!("kernel, stride, dilation and groups must be positive, got {g:?}"));
        }
        let (rows, cols) = self.expected_weight(inputs);
        if [w.n, w.h] != g.kernel || w.w != rows || (x.c % g.groups, cols % g.groups) != (0, 0) {
            return fail(format!("input {x} and weight {w} do not fit together with {g:?}"));
        }
        if self.sources == 2 && (inputs[1].c, x.c) != (0, 0) && inputs[1].with_c(x.c) != x {
            return fail(format!("sources {x} and {} differ in size", inputs[1]));
        }
        if g.output(x.h, x.w).is_none() {
            return fail(format!("input {x} is smaller than the kernel of {g:?}"));
        }
        Ok(())
    }
}

impl Operator for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.check(inputs)?;
        let x = inputs[0];
        let [h, w] = self.geometry.output(x.h, x.w).unwrap_or_default();
        let y = Shape::new(x.n, h, w, inputs[self.sources].c);
        let (bias, norm, residual) = self.slots();
        let per_channel = inputs[bias..residual].iter().all(|s| *s == Shape::channels(y.c));
        if !per_channel
            || (self.residual != Join::None && inputs.get(residual) != Some(&y))
            || norm > inputs.len()
        {
            return Err(Error::shape(
                "conv2d",
                format!("epilogue inputs {:?} do not fit output {y}", &inputs[bias..]),
            ));
        }
        Ok(vec![y])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let per_output = 2 * self.geometry.taps() * self.input_channels(inputs) / self.geometry.groups;
        let flops = (outputs[0].count() * per_output) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(mut dy) = b.dy() else { return Ok(()) };
        if self.norm.is_some() || (self.residual == Join::After && self.act != Act::Identity) {
            let message =
                "a convolution with folded batch norm, or a sum after its activation, has no gradient";
            return Err(Error::shape("conv2d", message));
        }
        let (bias, _, residual) = self.slots();
        if self.act != Act::Identity {
            let y = b.output(0);
            dy = b.graph.apply(Activation::backward_of_output(self.act), &[y, dy])?;
        }
        if self.residual != Join::None && b.wants(residual) {
            b.give(residual, dy);
        }
        if self.bias && b.wants(bias) {
            super::bias_gradient(b, bias, dy)?;
        }
        let weight = b.input(self.sources);
        let mut first_row = 0;
        for source in 0..self.sources {
            let (x, shape) = (b.input(source), b.shape(source));
            if b.wants(self.sources) {
                let op = Conv2dWeightGrad { geometry: self.geometry, first_row };
                op.accumulate(b, self.sources, x, dy)?;
            }
            if b.wants(source) {
                let op = ConvTranspose2d {
                    output: [shape.h, shape.w],
                    channels: shape.c,
                    first_row,
                    ..ConvTranspose2d::new(self.geometry, [0, 0])
                };
                let dx = b.graph.apply(op, &[dy, weight])?;
                b.give(source, dx);
            }
            first_row += 4 * shape.c4();
        }
        Ok(())
    }

    fn forms(&self, site: &Site<'_>) -> Option<Forms> {
        Form::forms(&self.gather(site.inputs, site.outputs[0]), site)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (bias, norm, residual) = self.slots();
        let mut epilogue = Epilogue::default();
        if self.bias {
            epilogue.add("bias", Access::Read(l.input(bias)));
        }
        if let Some(FixedNorm { eps, after }) = self.norm {
            let feature = if after { "affine_after" } else { "affine" };
            epilogue.add(feature, Access::Read(BatchNorm::fold(l, norm, eps)));
        }
        epilogue.join(self.residual, || l.input(residual));
        epilogue.activate(self.act);
        let tensors = Tensors {
            out: l.output(0),
            weight: l.input(self.sources),
            sources: (0..self.sources).map(|i| l.input(i)).collect(),
            epilogue,
        };
        let gather = l.at_site(|site| self.gather(site.inputs, site.outputs[0]));
        let form = Form::chosen(&gather, l);
        gather.lower(l, &tensors, form);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (bias, norm, residual) = self.slots();
        let mut y = twin_conv(&self.geometry, &inputs[..self.sources], &inputs[self.sources]);
        if self.bias {
            add_channels(&mut y, &inputs[bias].data);
        }
        let normed = |y: Array, after: bool| match self.norm {
            Some(n) if n.after == after => {
                BatchNorm::twin_fixed(&y, &inputs[norm..norm + 4], f64::from(n.eps))
            }
            _ => y,
        };
        let summed = |y: Array, join: Join| match self.residual == join {
            true => BatchNorm::twin_joined(y, Act::Identity, join, inputs.get(residual)),
            false => y,
        };
        y = summed(normed(y, false), Join::Before).map(|v| self.act.value(v));
        vec![summed(normed(y, true), Join::After)]
    }

    fn fuse(&self, next: &dyn Operator, slot: usize, shapes: &FuseShapes<'_>) -> Option<Arc<dyn Operator>> {
        let active = self.act != Act::Identity;
        if let Some(activation) = next.is::<Activation>() {
            let early = self.residual != Join::After && self.norm.is_none_or(|n| !n.after);
            let known = activation.act.known_by_output() || self.norm.is_some();
            let fits = !active && early && known && activation.is_forward();
            return fits.then(|| Arc::new(Self { act: activation.act, ..self.clone() }) as _);
        }
        if let Some(bn) = next.is::<BatchNorm>() {
            let (act, one) = (if active { self.act } else { bn.act }, !active || bn.act == Act::Identity);
            let fits = one && self.residual == Join::None && self.norm.is_none() && slot == 0;
            let fixed = fits && !bn.train && bn.join == Join::None;
            let norm = Some(FixedNorm { eps: bn.eps, after: active });
            return fixed.then(|| Arc::new(Self { norm, act, ..self.clone() }) as _);
        }
        let add = next.is::<Binary>()?;
        // What has no gradient anyway may hide the value that the activation's gradient would want.
        let fits =
            self.residual == Join::None && (!active || self.norm.is_some()) && add.is_sum(shapes.second);
        let residual = if active { Join::After } else { Join::Before };
        fits.then(|| Arc::new(Self { residual, ..self.clone() }) as _)
    }
}

/// Adds one number a channel.
pub(super) fn add_channels(y: &mut Array, bias: &[f64]) {
    for pixel in y.data.chunks_exact_mut(bias.len()) {
        pixel.iter_mut().zip(bias).for_each(|(a, b)| *a += b);
    }
}

/// All (output y, x, tap, input y, x) of a convolution from `h` x `w` to `out`.
pub(super) fn for_each_tap(
    g: &Geometry,
    [h, w]: [usize; 2],
    out: [usize; 2],
    mut f: impl FnMut([usize; 2], [usize; 2], [usize; 2]),
) {
    for oy in 0..out[0] {
        for ox in 0..out[1] {
            for ky in 0..g.kernel[0] {
                for kx in 0..g.kernel[1] {
                    let iy = (oy * g.stride[0] + ky * g.dilation[0]).wrapping_sub(g.pads[0]);
                    let ix = (ox * g.stride[1] + kx * g.dilation[1]).wrapping_sub(g.pads[1]);
                    if iy < h && ix < w {
                        f([oy, ox], [ky, kx], [iy, ix]);
                    }
                }
            }
        }
    }
}

/// Input channels with their weight rows that output channel `o` sees, for each source.
fn seen_by(g: &Geometry, sources: &[Array], o: usize, out: usize) -> Vec<(usize, usize, usize)> {
    if g.groups > 1 {
        let per = sources[0].shape.c / g.groups;
        let group = o / (out / g.groups);
        return (0..per).map(|i| (0, group * per + i, i)).collect();
    }
    let mut all = Vec::new();
    let mut first = 0;
    for (s, source) in sources.iter().enumerate() {
        all.extend((0..source.shape.c).map(|i| (s, i, first + i)));
        first += 4 * source.shape.c4();
    }
    all
}

/// The convolution alone, in f64.
pub(super) fn twin_conv(g: &Geometry, sources: &[Array], w: &Array) -> Array {
    let x = sources[0].shape;
    let out = g.output(x.h, x.w).unwrap_or_default();
    let mut y = Array::zeros(Shape::new(x.n, out[0], out[1], w.shape.c));
    let seen: Vec<_> = (0..w.shape.c).map(|o| seen_by(g, sources, o, w.shape.c)).collect();
    for n in 0..x.n {
        for_each_tap(g, [x.h, x.w], out, |[oy, ox], [ky, kx], [iy, ix]| {
            for (o, seen) in seen.iter().enumerate() {
                let sum: f64 = seen
                    .iter()
                    .map(|(s, i, row)| sources[*s].at(n, iy, ix, *i) * w.at(ky, kx, *row, o))
                    .sum();
                *y.at_mut(n, oy, ox, o) += sum;
            }
        });
    }
    y
}

//! Convolution in integers of eight bits, dense and depthwise.

use std::{fmt, sync::Arc};

use super::{
    Act, BatchNorm, Geometry, Int8, Join, Quantize,
    conv2d::{Epilogue, add_channels, twin_conv},
};
use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Forms, FuseShapes, Lowering, Operator, Shape, Site},
};

/// `y = act(scale * sum + shift + residual)`, where `sum` is the exact convolution of integers q of the sources with
/// the integers of the weight; beyond a source's border q is its zero, so that `-zero` times the weight's sum belongs
/// into the shift (Jacob et al. 2018, eq 7). A batch norm by fixed statistics, or the residual, may also follow the
/// activation.
///
/// Inputs: one or two sources `[N, H, W, Ci]` in integers; the weight in integers, laid out as
/// [`crate::graph::Layout::Packed`] has it (depthwise: `[kh, kw, 1, C]`); scale and shift, `[Co]` each; then, where set,
/// gamma, beta, mean and variance of a batch norm, each `[Co]`; the residual, shaped like y. Has no gradient.
#[derive(Clone, Debug)]
pub struct Conv2dInt8 {
    /// Kernel, stride, padding; one group, or one for each channel.
    pub geometry: Geometry,
    /// Output channels.
    pub channels: usize,
    /// What stands for 0 in each source: 1 or 2.
    pub zeros: Vec<i8>,
    /// Epsilon of a batch norm after the activation.
    pub norm_after: Option<f32>,
    /// Adds a residual.
    pub residual: Join,
    /// The activation.
    pub act: Act,
    /// How y is stored, where that is in integers too.
    pub out: Option<Int8>,
}

/// Most input channels of a source of which the sums over a tap are exact in f32: 128 * 127 * 1032 < 2^24.
const EXACT: usize = 1032;
/// Most numbers in a sum that 32 bits hold.
const MOST: usize = (1 << 31) / (128 * 127) - 1;

/// How the dense kernel makes products, and of how many pixels and vec4 of channels an invocation.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Form {
    unpacked: bool,
    pixels: u32,
    cols: u32,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.unpacked { "unpacked" } else { "packed" };
        write!(f, "{how} {}x{}", self.pixels, 4 * self.cols)
    }
}

impl Conv2dInt8 {
    /// A plain convolution.
    pub fn new(geometry: Geometry, channels: usize, zeros: &[i8]) -> Self {
        let zeros = zeros.to_vec();
        let (norm_after, residual, act, out) = (None, Join::None, Act::Identity, None);
        Self { geometry, channels, zeros, norm_after, residual, act, out }
    }

    fn sources(&self) -> usize {
        self.zeros.len()
    }

    fn depthwise(&self) -> bool {
        self.geometry.groups > 1
    }

    /// Input number of batch norm's first tensor and of the residual.
    fn slots(&self) -> (usize, usize) {
        let norm = self.sources() + 3;
        (norm, norm + if self.norm_after.is_some() { 4 } else { 0 })
    }

    /// Shape of the weight in storage, for sources of these shapes.
    pub fn weight_shape(&self, sources: &[Shape]) -> Shape {
        let [h, w] = self.geometry.kernel;
        if self.depthwise() {
            return Shape::new(h, w, 1, self.channels);
        }
        Shape::new(h, w, sources.iter().map(Shape::c4).sum(), 4 * self.channels.next_multiple_of(4))
    }

    fn check(&self, inputs: &[Shape]) -> Result<Shape> {
        let fail = |message: String| Err(Error::shape("conv2d_int8", message));
        let (g, sources) = (&self.geometry, self.sources());
        let inputs_wanted = self.slots().1 + usize::from(self.residual != Join::None);
        if !(1..=2).contains(&sources) || inputs.len() != inputs_wanted || !g.valid() {
            return fail(format!(
                "wants {inputs_wanted} inputs and a whole geometry, got {inputs:?} and {g:?}"
            ));
        }
        let x = inputs[0];
        if inputs[1..sources].iter().any(|s| s.with_c(x.c) != x) {
            return fail(format!("sources {:?} differ in size", &inputs[..sources]));
        }
        if self.depthwise() && (sources > 1 || !g.depthwise(x.c, self.channels)) {
            return fail(format!("{g:?} of {x} is neither dense nor depthwise"));
        }
        let weight = self.weight_shape(&inputs[..sources]);
        if inputs[sources] != weight {
            return fail(format!("wants the weight as {weight}, got {}", inputs[sources]));
        }
        let terms = g.taps() * inputs[..sources].iter().map(|s| 4 * s.c4()).sum::<usize>() / g.groups;
        if terms > MOST || (self.depthwise() && g.taps() > EXACT) {
            return fail(format!("sums {terms} products, more than 32 bits hold of any"));
        }
        let Some([h, w]) = g.output(x.h, x.w) else {
            return fail(format!("input {x} is smaller than the kernel of {g:?}"));
        };
        let y = Shape::new(x.n, h, w, self.channels);
        let residual = self.slots().1;
        if inputs[sources + 1..residual].iter().any(|s| *s != Shape::channels(y.c))
            || inputs[residual..].iter().any(|s| *s != y)
        {
            return fail(format!("{:?} do not fit output {y}", &inputs[sources + 1..]));
        }
        Ok(y)
    }

    fn candidates(&self, site: &Site<'_>) -> Vec<Form> {
        let y = site.outputs[0];
        let most_pixels = if y.w > 4 { 8 } else { 4 };
        let fits = |(pixels, cols): &(u32, u32)| {
            *pixels <= most_pixels && (*cols as usize) <= y.c4().next_power_of_two()
        };
        let tiles: Vec<(u32, u32)> = [(8, 2), (8, 1), (4, 2), (4, 1)].into_iter().filter(fits).collect();
        let exact = site.inputs[..self.sources()].iter().all(|s| s.c <= EXACT);
        let of = |unpacked: bool| {
            tiles.iter().map(move |(pixels, cols)| Form { unpacked, pixels: *pixels, cols: *cols })
        };
        let unpacked = of(true).filter(|_| exact);
        // Processors have no such dot product.
        if site.device.software {
            unpacked.chain(of(false)).collect()
        } else {
            of(false).chain(unpacked).collect()
        }
    }

    fn params(&self, inputs: &[Shape], y: Shape) -> Vec<(&'static str, Word)> {
        let g = &self.geometry;
        let int = |v: usize| Word::I(v as i32);
        let word = |zero: Option<&i8>| u32::from_le_bytes([zero.copied().unwrap_or(0) as u8; 4]);
        let out = self.out.unwrap_or(Int8 { scale: 1.0, zero: 0 });
        vec![
            ("batch", y.n.into()),
            ("out_h", y.h.into()),
            ("out_w", y.w.into()),
            ("out_c", y.c.into()),
            ("in_h", int(inputs[0].h)),
            ("in_w", int(inputs[0].w)),
            ("in_c4", inputs[0].c4().into()),
            ("in2_c4", inputs[1..self.sources()].first().map_or(0, Shape::c4).into()),
            ("pad_y", int(g.pads[0])),
            ("pad_x", int(g.pads[1])),
            ("step_y", int(g.dilation[0])),
            ("step_x", int(g.dilation[1])),
            ("cols4", y.c4().into()),
            ("slope", self.act.slope().into()),
            ("zeros", word(self.zeros.first()).into()),
            ("zeros2", word(self.zeros.get(1)).into()),
            ("inverse", out.inverse().into()),
            ("zero", f32::from(out.zero).into()),
        ]
    }

    /// The weight as [`super::Conv2d`] has it.
    fn plain_weight(&self, weight: &Array) -> Array {
        if self.depthwise() {
            return weight.clone();
        }
        let Shape { n, h, w, .. } = weight.shape;
        let shape = Shape::new(n, h, 4 * w, self.channels);
        Array::from_fn(shape, |ky, kx, row, o| weight.at(ky, kx, row / 4, 4 * o + row % 4))
    }

    /// What the weights give for sources that are zero everywhere: the sum over all taps of weight times zero.
    fn at_zero(&self, weight: &Array, sources: &[Shape]) -> Vec<f64> {
        let rows = sources.iter().zip(&self.zeros).flat_map(|(s, zero)| vec![f64::from(*zero); 4 * s.c4()]);
        let zeros: Vec<f64> = rows.collect();
        let mut sums = vec![0.0; self.channels];
        for (i, v) in weight.data.iter().enumerate() {
            sums[i % self.channels] += v * zeros[i / self.channels % weight.shape.w];
        }
        sums
    }
}

impl Operator for Conv2dInt8 {
    fn name(&self) -> &'static str {
        "conv2d_int8"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        Ok(vec![self.check(inputs)?])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let seen: usize = inputs[..self.sources()].iter().map(|s| s.c).sum();
        let per_output = 2 * self.geometry.taps() * seen / self.geometry.groups;
        let flops = (outputs[0].count() * per_output) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape(
            "conv2d_int8",
            "integers have no gradient; train in f32 and quantize what comes of it",
        ))
    }

    fn forms(&self, site: &Site<'_>) -> Option<Forms> {
        if self.depthwise() {
            return None;
        }
        let (g, Shape { n, h, w, c }) = (&self.geometry, site.outputs[0]);
        let sources: Vec<String> =
            site.inputs[..self.sources()].iter().map(|s| (4 * s.c4()).to_string()).collect();
        let key = format!(
            "conv2d_int8 {}x{}{}, {} to {}, {} pixels{}{}",
            g.kernel[0],
            g.kernel[1],
            g.steps(),
            sources.join("+"),
            c.next_multiple_of(4),
            (n * h * w).next_power_of_two(),
            if w <= 4 { ", narrow" } else { "" },
            if site.half { ", half" } else { "" },
        );
        Some(Forms { key, names: self.candidates(site).iter().map(Form::to_string).collect() })
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let sources = self.sources();
        let (norm, residual) = self.slots();
        let mut epilogue = Epilogue::default();
        if let Some(eps) = self.norm_after {
            epilogue.add("affine_after", Access::Read(BatchNorm::fold(l, norm, eps)));
        }
        epilogue.join(self.residual, || l.input(residual));
        epilogue.activate(self.act);
        let y = l.output_shape(0);
        let params = l.at_site(|site| self.params(site.inputs, y));
        let (variant, blocks, pixels) = if self.depthwise() {
            (Variant::new("conv2d_int8/depthwise"), y.c4(), if y.w > 4 { 8 } else { 4 })
        } else {
            let candidates = l.at_site(|site| self.candidates(site));
            let chosen = candidates.iter().find(|form| l.form() == Some(&form.to_string()));
            let form = chosen.unwrap_or(&candidates[0]);
            let variant = Variant::new("conv2d_int8/dense")
                .constant("COLS", form.cols)
                .feature("unpacked", form.unpacked)
                .feature("two", sources == 2);
            (variant, y.c4().div_ceil(form.cols as usize), form.pixels)
        };
        let ([kernel_h, kernel_w], [stride_y, stride_x]) = (self.geometry.kernel, self.geometry.stride);
        let variant = variant
            .constant("PIXELS", pixels)
            .constant("KERNEL_H", kernel_h as u32)
            .constant("KERNEL_W", kernel_w as u32)
            .constant("STRIDE_Y", stride_y as u32)
            .constant("STRIDE_X", stride_x as u32)
            .feature("requantize", self.out.is_some());
        let mut buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(sources))];
        buffers.extend((0..sources).map(|i| Access::Read(l.input(i))));
        buffers.extend(&epilogue.buffers);
        buffers.extend([1, 2].map(|i| Access::Read(l.input(sources + i))));
        let threads = y.n * y.h * y.w.div_ceil(pixels as usize) * blocks;
        l.dispatch(epilogue.on(variant), params, buffers, threads);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let sources = self.sources();
        let (norm, residual) = self.slots();
        let shapes: Vec<Shape> = inputs[..sources].iter().map(|a| a.shape).collect();
        let weight = self.plain_weight(&inputs[sources]);
        // Beyond the border there is the zero: that of all taps, and what is inside differs from it.
        let apart = inputs[..sources].iter().zip(&self.zeros);
        let apart: Vec<Array> = apart.map(|(a, zero)| a.map(|q| q - f64::from(*zero))).collect();
        let mut y = twin_conv(&self.geometry, &apart, &weight);
        add_channels(&mut y, &self.at_zero(&weight, &shapes));
        let (scale, shift) = (&inputs[sources + 1].data, &inputs[sources + 2].data);
        for pixel in y.data.chunks_exact_mut(self.channels) {
            pixel.iter_mut().zip(scale.iter().zip(shift)).for_each(|(v, (by, plus))| *v = *v * by + plus);
        }
        let summed = |y: Array, join: Join| match self.residual == join {
            true => BatchNorm::twin_joined(y, Act::Identity, join, inputs.get(residual)),
            false => y,
        };
        y = summed(y, Join::Before).map(|v| self.act.value(v));
        if let Some(eps) = self.norm_after {
            y = BatchNorm::twin_fixed(&y, &inputs[norm..norm + 4], f64::from(eps));
        }
        y = summed(y, Join::After);
        vec![match self.out {
            Some(out) => y.map(|v| out.quantized(v)),
            None => y,
        }]
    }

    fn exact_inputs(&self) -> Vec<usize> {
        let sources = self.sources();
        (sources + 1..self.slots().1).collect()
    }

    fn packed_inputs(&self) -> Vec<usize> {
        (0..=self.sources()).collect()
    }

    fn packed_outputs(&self) -> Vec<usize> {
        Vec::from_iter(self.out.map(|_| 0))
    }

    fn fuse(&self, next: &dyn Operator, _slot: usize, _shapes: &FuseShapes<'_>) -> Option<Arc<dyn Operator>> {
        let quantize = next.is::<Quantize>().filter(|_| self.out.is_none())?;
        Some(Arc::new(Self { out: Some(quantize.to), ..self.clone() }))
    }
}

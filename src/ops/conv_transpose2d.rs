//! Transposed convolution; also the gradient of a convolution by its input.

use std::sync::Arc;

use super::{
    Act, Activation, BatchNorm, Binary, Conv2d, Conv2dWeightGrad, Geometry, Join,
    conv2d::{Epilogue, Form, Gather, Tensors, add_channels, for_each_tap},
};
use crate::{
    Error, Result,
    graph::{Access, Array, Backward, Cost, Forms, FuseShapes, Lowering, Operator, Shape, Site},
};

/// The adjoint of a convolution with `geometry`: `y = act(conv^T(x, w) + bias + residual)`.
///
/// Inputs: x `[N, h, w, Ci]`; the weight of the convolution from Co to Ci channels, `[kh, kw, padded Co, Ci]`
/// (PyTorch's transposed weight `[Ci, Co, kh, kw]`); where set, the bias `[Co]` and the residual, shaped like y.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d {
    /// Of the convolution that this is the adjoint of; its padding crops here.
    pub geometry: Geometry,
    /// Added rows and columns at the bottom and right, as PyTorch's `output_padding`; used where `output`
    /// is zero.
    pub output_padding: [usize; 2],
    /// Height and width of y; zero means what PyTorch makes of it.
    pub output: [usize; 2],
    /// Output channels; zero means the rows of the weight (or, grouped, its columns).
    pub channels: usize,
    /// First row of the weight, for one source of a concatenation.
    pub first_row: usize,
    /// Adds a bias.
    pub bias: bool,
    /// Adds a residual before the activation.
    pub residual: bool,
    /// Applied last.
    pub act: Act,
}

impl ConvTranspose2d {
    /// With PyTorch's output size.
    pub const fn new(geometry: Geometry, output_padding: [usize; 2]) -> Self {
        let (output, act) = ([0; 2], Act::Identity);
        Self {
            geometry,
            output_padding,
            output,
            channels: 0,
            first_row: 0,
            bias: false,
            residual: false,
            act,
        }
    }

    fn output_size(&self, x: Shape) -> Option<[usize; 2]> {
        if self.output != [0, 0] {
            return Some(self.output);
        }
        let g = &self.geometry;
        let along = |size: usize, pads: usize, axis: usize| {
            let full = (size - 1) * g.stride[axis] + g.dilation[axis] * (g.kernel[axis] - 1) + 1;
            (full + self.output_padding[axis]).checked_sub(pads).filter(|v| *v > 0)
        };
        Some([along(x.h, g.pads[0] + g.pads[2], 0)?, along(x.w, g.pads[1] + g.pads[3], 1)?])
    }

    fn gather(&self, inputs: &[Shape], out: Shape) -> Gather {
        let (x, w) = (inputs[0], inputs[1]);
        Gather {
            out,
            input: x,
            second_c4: 0,
            geometry: self.geometry,
            adjoint: true,
            batched: false,
            rows: w.w,
            // The grouped kernel wants the input channels of a group there.
            first_row: if self.geometry.groups > 1 { x.c / self.geometry.groups } else { self.first_row },
            cols4: w.c4(),
            slope: self.act.slope(),
        }
    }

    fn as_conv(&self) -> Conv2d {
        Conv2d::new(self.geometry)
    }

    /// Input number of the residual.
    fn residual_slot(&self) -> usize {
        2 + usize::from(self.bias)
    }
}

impl Operator for ConvTranspose2d {
    fn name(&self) -> &'static str {
        "conv_transpose2d"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let (x, w, g) = (inputs[0], inputs[1], &self.geometry);
        let fail =
            |m: &str| Err(Error::shape("conv_transpose2d", format!("{m}: input {x}, weight {w}, {g:?}")));
        if [w.n, w.h] != g.kernel || w.c != x.c || g.stride.contains(&0) || g.dilation.contains(&0) {
            return fail("input and weight do not fit together");
        }
        let channels =
            if self.channels > 0 { self.channels } else { w.w * if g.groups > 1 { g.groups } else { 1 } };
        let rows = if g.groups > 1 { channels / g.groups } else { self.first_row + 4 * channels.div_ceil(4) };
        if rows > w.w.next_multiple_of(4) {
            return fail("the weight has too few rows");
        }
        let Some([h, w]) = self.output_size(x) else { return fail("the padding crops everything") };
        // Past this size the adjoint would give more than x back.
        let back = g.output(h, w);
        if back != Some([x.h, x.w]) {
            return fail("output padding must be smaller than the stride");
        }
        let y = Shape::new(x.n, h, w, channels);
        if self.residual && inputs.get(self.residual_slot()) != Some(&y) {
            return fail("the residual is not shaped like the output");
        }
        Ok(vec![y])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let per_input = 2 * self.geometry.taps() * outputs[0].c / self.geometry.groups;
        let flops = (inputs[0].count() * per_input) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(mut dy) = b.dy() else { return Ok(()) };
        if self.act != Act::Identity {
            let y = b.output(0);
            dy = b.graph.apply(Activation::backward_of_output(self.act), &[y, dy])?;
        }
        if self.residual && b.wants(self.residual_slot()) {
            b.give(self.residual_slot(), dy);
        }
        if self.bias && b.wants(2) {
            super::bias_gradient(b, 2, dy)?;
        }
        let (x, weight) = (b.input(0), b.input(1));
        if b.wants(1) {
            let op = Conv2dWeightGrad { geometry: self.geometry, first_row: self.first_row };
            op.accumulate(b, 1, dy, x)?;
        }
        if b.wants(0) {
            let dx = b.graph.apply(self.as_conv(), &[dy, weight])?;
            b.give(0, dx);
        }
        Ok(())
    }

    fn forms(&self, site: &Site<'_>) -> Option<Forms> {
        Form::forms(&self.gather(site.inputs, site.outputs[0]), site)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let mut epilogue = Epilogue::default();
        if self.bias {
            epilogue.add("bias", Access::Read(l.input(2)));
        }
        let join = if self.residual { Join::Before } else { Join::None };
        epilogue.join(join, || l.input(self.residual_slot()));
        epilogue.activate(self.act);
        let tensors = Tensors { out: l.output(0), weight: l.input(1), sources: vec![l.input(0)], epilogue };
        let gather = l.at_site(|site| self.gather(site.inputs, site.outputs[0]));
        let form = Form::chosen(&gather, l);
        gather.lower(l, &tensors, form);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, w, g) = (&inputs[0], &inputs[1], &self.geometry);
        let shapes: Vec<_> = inputs.iter().map(|a| a.shape).collect();
        let Ok(out) = self.shapes(&shapes) else { return Vec::new() };
        let mut y = Array::zeros(out[0]);
        let (per_in, per_out) = (x.shape.c / g.groups, out[0].c / g.groups);
        for n in 0..x.shape.n {
            for_each_tap(g, [out[0].h, out[0].w], [x.shape.h, x.shape.w], |[oy, ox], [ky, kx], [iy, ix]| {
                for i in 0..out[0].c {
                    let group = i / per_out;
                    let row = self.first_row + if g.groups > 1 { i % per_out } else { i };
                    let seen = group * per_in..(group + 1) * per_in;
                    let sum: f64 = seen.map(|o| x.at(n, oy, ox, o) * w.at(ky, kx, row, o)).sum();
                    *y.at_mut(n, iy, ix, i) += sum;
                }
            });
        }
        if self.bias {
            add_channels(&mut y, &inputs[2].data);
        }
        if self.residual {
            let residual = inputs.get(self.residual_slot());
            y = BatchNorm::twin_joined(y, Act::Identity, Join::Before, residual);
        }
        vec![y.map(|v| self.act.value(v))]
    }

    fn fuse(&self, next: &dyn Operator, _slot: usize, shapes: &FuseShapes<'_>) -> Option<Arc<dyn Operator>> {
        let plain = self.act == Act::Identity;
        if let Some(activation) = next.is::<Activation>() {
            let fits = plain && activation.is_forward() && activation.act.known_by_output();
            return fits.then(|| Arc::new(Self { act: activation.act, ..self.clone() }) as _);
        }
        let fits = plain && !self.residual && next.is::<Binary>()?.is_sum(shapes.second);
        fits.then(|| Arc::new(Self { residual: true, ..self.clone() }) as _)
    }
}

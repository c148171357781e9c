//! Gradient of a convolution by its weight, added to the parameter's accumulator.

mod first;

use self::first::{First, Work};
use super::{Geometry, conv2d::for_each_tap};
use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Forms, Lowering, Operator, Shape, Site, Var},
};

/// `dw[ky, kx, first_row + i, o] += sum over pixels of x[..., i] * dy[..., o]`.
///
/// Inputs: x (one source of the convolution), dy, and the accumulator, which is changed in place. For a
/// transposed convolution x is the output's gradient and dy the input.
#[derive(Clone, Debug)]
pub struct Conv2dWeightGrad {
    /// Of the convolution.
    pub geometry: Geometry,
    /// Where the rows of this source begin.
    pub first_row: usize,
}

/// Invocations that keep a device busy; more shares than that only cost memory.
const fn busy(software: bool) -> usize {
    if software { 1 << 12 } else { 1 << 17 }
}

/// Most bytes for partial sums.
const PARTIAL_BYTES: usize = 64 << 20;

impl Conv2dWeightGrad {
    /// Adds this node to the accumulator of the weight, input number `slot`.
    ///
    /// # Errors
    /// [`Error::Shape`] if that input is no trained parameter.
    pub(super) fn accumulate(self, b: &mut Backward<'_>, slot: usize, x: Var, dy: Var) -> Result<()> {
        match b.accumulator(slot) {
            Some(sum) => b.graph.apply_all(self, &[x, dy, sum]).map(|_| ()),
            None => Err(Error::shape("conv2d", "the weight must be a parameter to have a gradient")),
        }
    }

    /// Shares of the rows or tiles such that all invocations keep the device busy.
    fn shares(busy: usize, invocations: usize, parts: usize, partial_bytes: usize) -> usize {
        let wanted = busy.div_ceil(invocations.max(1));
        wanted.min(parts).min(PARTIAL_BYTES / partial_bytes.max(1)).max(1)
    }
}

impl Operator for Conv2dWeightGrad {
    fn name(&self) -> &'static str {
        "conv2d_weight_grad"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let (x, dy, dw, g) = (inputs[0], inputs[1], inputs[2], &self.geometry);
        let rows = if g.groups > 1 { x.c / g.groups } else { self.first_row + 4 * x.c4() };
        if g.output(x.h, x.w) != Some([dy.h, dy.w]) || x.n != dy.n || dw.c != dy.c || dw.w < rows {
            let message = format!("x {x}, dy {dy} and the accumulator {dw} do not fit {g:?}");
            return Err(Error::shape("conv2d_weight_grad", message));
        }
        Ok(Vec::new())
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let per_output = 2 * self.geometry.taps() * inputs[0].c / self.geometry.groups;
        let flops = (inputs[1].count() * per_output) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape(self.name(), "second derivatives are not built"))
    }

    fn forms(&self, site: &Site<'_>) -> Option<Forms> {
        let (x, dy, g) = (site.inputs[0], site.inputs[1], &self.geometry);
        if g.groups > 1 {
            return None;
        }
        let key = format!(
            "conv2d_weight_grad {}x{}{}, {} to {}, {} pixels{}",
            g.kernel[0],
            g.kernel[1],
            g.steps(),
            4 * x.c4(),
            4 * dy.c4(),
            dy.pixels().next_power_of_two(),
            if site.half { ", half" } else { "" },
        );
        let names = First::dense(x, dy, site).iter().map(ToString::to_string).collect();
        Some(Forms { key, names })
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, dy, dw, g) = (l.input_shape(0), l.input_shape(1), l.input_shape(2), &self.geometry);
        let first = First::chosen(g, x, dy, l);
        let rows = if g.groups == 1 { 4 * x.c4() } else { x.c / g.groups };
        let size = Shape::new(1, g.taps(), rows, dy.c);
        let Work { variant, invocations, parts } = first.work(g, x, dy);
        let busy = busy(l.at_site(|site| site.device.software));
        let shares = Self::shares(busy, invocations, parts, size.bytes() as usize);
        let partial = l.scratch("partial", Shape { n: shares, ..size });
        let int = |v: usize| Word::I(v as i32);
        let mut params = vec![
            ("batch", int(dy.n)),
            ("in_h", int(x.h)),
            ("in_w", int(x.w)),
            ("in_c4", x.c4().into()),
            ("out_h", int(dy.h)),
            ("out_w", int(dy.w)),
            ("out_c4", dy.c4().into()),
            ("kernel_h", int(g.kernel[0])),
            ("kernel_w", int(g.kernel[1])),
            ("stride_y", int(g.stride[0])),
            ("stride_x", int(g.stride[1])),
            ("pad_y", int(g.pads[0])),
            ("pad_x", int(g.pads[1])),
            ("dilation_y", int(g.dilation[0])),
            ("dilation_x", int(g.dilation[1])),
            ("shares", shares.into()),
        ];
        if first == First::Grouped {
            params.extend([("per_group", Word::from(rows)), ("group_out", (dy.c / g.groups).into())]);
            params.push(("groups", g.groups.into()));
        }
        let buffers = vec![Access::Write(partial), Access::Read(l.input(0)), Access::Read(l.input(1))];
        l.dispatch(variant, params, buffers, invocations * shares);
        let params = vec![
            ("shares", shares.into()),
            ("taps", g.taps().into()),
            ("rows", rows.into()),
            ("cols4", dw.c4().into()),
            ("total_rows", dw.w.into()),
            ("first_row", self.first_row.into()),
        ];
        let buffers = vec![Access::Write(l.input(2)), Access::Read(partial)];
        l.dispatch(Variant::new("conv2d_weight_grad/sum"), params, buffers, size.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, dy, g) = (&inputs[0], &inputs[1], &self.geometry);
        let mut dw = inputs[2].clone();
        let (per_in, per_out) = (x.shape.c / g.groups, dy.shape.c / g.groups);
        for n in 0..dy.shape.n {
            for_each_tap(
                g,
                [x.shape.h, x.shape.w],
                [dy.shape.h, dy.shape.w],
                |[oy, ox], [ky, kx], [iy, ix]| {
                    for o in 0..dy.shape.c {
                        for i in 0..per_in {
                            let v = x.at(n, iy, ix, o / per_out * per_in + i) * dy.at(n, oy, ox, o);
                            *dw.at_mut(ky, kx, self.first_row + i, o) += v;
                        }
                    }
                },
            );
        }
        vec![dw]
    }

    fn updates(&self) -> Vec<usize> {
        vec![2]
    }
}

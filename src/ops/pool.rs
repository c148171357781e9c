//! Maximum and average pooling.

use super::{Geometry, PoolGrad};
use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Pixels of a row that an invocation makes.
const RUN: usize = 4;

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolKind {
    /// Its largest number; padding never wins.
    Max,
    /// Its mean, the zeros of the padding counted.
    Average,
}

/// `y[n, oy, ox, c] = max or mean of x[n, iy, ix, c]` over windows of pixels, as PyTorch's `max_pool2d` and
/// `avg_pool2d` without ceil mode; input x `[N, H, W, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What a window becomes.
    pub kind: PoolKind,
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// Down and right.
    pub stride: [usize; 2],
    /// Rows added at top and bottom, columns at left and right; at most half the kernel.
    pub pad: [usize; 2],
}

impl Pool {
    /// Maximum over square windows.
    pub const fn max(kernel: usize, stride: usize, pad: usize) -> Self {
        Self { kind: PoolKind::Max, kernel: [kernel; 2], stride: [stride; 2], pad: [pad; 2] }
    }

    /// Mean over square windows.
    pub const fn average(kernel: usize, stride: usize, pad: usize) -> Self {
        Self { kind: PoolKind::Average, ..Self::max(kernel, stride, pad) }
    }

    fn geometry(&self) -> Geometry {
        let [y, x] = self.pad;
        Geometry { kernel: self.kernel, stride: self.stride, pads: [y, x, y, x], ..Geometry::square(1, 1, 0) }
    }

    /// Shape of the output.
    pub(super) fn output(&self, x: Shape) -> Result<Shape> {
        let fail = |message: String| Err(Error::shape("pool", message));
        if self.kernel.contains(&0) || self.stride.contains(&0) {
            return fail(format!("kernel and stride must be positive, got {self:?}"));
        }
        if self.pad.iter().zip(self.kernel).any(|(p, k)| 2 * p > k) {
            return fail(format!("padding must be at most half the kernel, got {self:?}"));
        }
        match self.geometry().output(x.h, x.w) {
            Some([h, w]) if x.h > 0 && x.w > 0 => Ok(Shape { h, w, ..x }),
            _ => fail(format!("input {x} is smaller than the kernel of {self:?}")),
        }
    }

    /// Members of the shader struct `Window` for `size` invocations.
    pub(super) fn params(&self, size: usize, x: Shape, y: Shape) -> Vec<(&'static str, Word)> {
        let int = |v: usize| Word::I(v as i32);
        let scale = match self.kind {
            PoolKind::Max => 1.0,
            PoolKind::Average => 1.0 / (self.kernel[0] * self.kernel[1]) as f32,
        };
        vec![
            ("size", size.into()),
            ("c4", x.c4().into()),
            ("in_h", int(x.h)),
            ("in_w", int(x.w)),
            ("out_h", int(y.h)),
            ("out_w", int(y.w)),
            ("kernel_h", int(self.kernel[0])),
            ("kernel_w", int(self.kernel[1])),
            ("stride_y", int(self.stride[0])),
            ("stride_x", int(self.stride[1])),
            ("pad_y", int(self.pad[0])),
            ("pad_x", int(self.pad[1])),
            ("scale", scale.into()),
        ]
    }

    /// Pixels of `x` in the window of output (oy, ox), row by row.
    pub(super) fn window(&self, x: Shape, oy: usize, ox: usize) -> Vec<(usize, usize)> {
        let along = |o: usize, axis: usize, size: usize| {
            let first = o * self.stride[axis];
            let end = (first + self.kernel[axis]).saturating_sub(self.pad[axis]).min(size);
            first.saturating_sub(self.pad[axis])..end
        };
        let columns = along(ox, 1, x.w);
        along(oy, 0, x.h).flat_map(|y| columns.clone().map(move |x| (y, x))).collect()
    }
}

impl Operator for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        self.output(inputs[0]).map(|y| vec![y])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let flops = (outputs[0].count() * self.kernel[0] * self.kernel[1]) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let op = PoolGrad { pool: *self, input: b.shape(0) };
        let mut inputs = vec![dy];
        if self.kind == PoolKind::Max {
            inputs.extend([b.input(0), b.output(0)]);
        }
        let dx = b.graph.apply(op, &inputs)?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (l.input_shape(0), l.output_shape(0));
        let [kernel_h, kernel_w] = self.kernel;
        let variant = Variant::new("pool")
            .feature("largest", self.kind == PoolKind::Max)
            .constant("KERNEL_H", kernel_h as u32)
            .constant("KERNEL_W", kernel_w as u32)
            .constant("RUN", RUN as u32);
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        let strips = y.n * y.h * y.w.div_ceil(RUN) * y.c4();
        l.dispatch(variant, self.params(strips, x, y), buffers, strips);
        Ok(())
    }

    fn exact_outputs(&self, half: &[bool]) -> Vec<usize> {
        // The gradient finds a maximum by comparing it with x, from which rounding would part it.
        if self.kind == PoolKind::Max && !half[0] { vec![0] } else { Vec::new() }
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let Ok(shape) = self.output(x.shape) else { return Vec::new() };
        let taps = (self.kernel[0] * self.kernel[1]) as f64;
        vec![Array::from_fn(shape, |n, oy, ox, c| {
            let seen = self.window(x.shape, oy, ox).into_iter().map(|(iy, ix)| x.at(n, iy, ix, c));
            match self.kind {
                PoolKind::Max => seen.fold(f64::NEG_INFINITY, f64::max),
                PoolKind::Average => seen.sum::<f64>() / taps,
            }
        })]
    }
}

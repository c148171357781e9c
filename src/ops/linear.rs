//! Fully connected layer.

use std::sync::Arc;

use super::{Act, Activation, MatMul, conv2d::add_channels};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, FuseShapes, Lowering, Operator, Shape},
};

/// `y = act(x W^T + bias)` on the channels of every pixel, as PyTorch's `Linear`.
///
/// Inputs: x `[N, H, W, I]`; the weight W `[O, I]`, stored as [`crate::graph::Layout::Linear`]
/// `[1, 1, I, O]`; where set, the bias `[O]`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Linear {
    /// Adds a bias.
    pub bias: bool,
    /// Applied last.
    pub act: Act,
}

impl Linear {
    /// Without activation.
    pub const fn new(bias: bool) -> Self {
        Self { bias, act: Act::Identity }
    }
}

impl Operator for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let (x, w) = (inputs[0], inputs[1]);
        let bias = !self.bias || inputs.get(2) == Some(&Shape::channels(w.c));
        if w != Shape::new(1, 1, x.c, w.c) || x.count() * w.c == 0 || !bias {
            let message = format!("input {x}, weight {w} and bias {:?} do not fit", inputs.get(2));
            return Err(Error::shape("linear", message));
        }
        Ok(vec![x.with_c(w.c)])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let flops = (2 * outputs[0].count() * inputs[0].c) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(mut dy) = b.dy() else { return Ok(()) };
        if self.act != Act::Identity {
            if !self.act.known_by_output() {
                let name = self.act.name();
                return Err(Error::shape("linear", format!("{name} must follow by itself to be trained")));
            }
            let y = b.output(0);
            dy = b.graph.apply(Activation::backward_of_output(self.act), &[y, dy])?;
        }
        if self.bias && b.wants(2) {
            super::bias_gradient(b, 2, dy)?;
        }
        let (x, w) = (b.input(0), b.input(1));
        if b.wants(1) {
            MatMul::new(true, false).give(b, 1, x, dy)?;
        }
        if b.wants(0) {
            MatMul::new(false, true).give(b, 0, dy, w)?;
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (l.input_shape(0), l.output_shape(0));
        let block = y.c4().min(2);
        let variant = Variant::new("linear")
            .feature("bias", self.bias)
            .feature(self.act.name(), self.act != Act::Identity)
            .constant("COLS", block as u32);
        let params = vec![
            ("pixels", x.pixels().into()),
            ("inputs", x.c.into()),
            ("in_c4", x.c4().into()),
            ("outputs", y.c.into()),
            ("out_c4", y.c4().into()),
            ("slope", self.act.slope().into()),
        ];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..2 + usize::from(self.bias)).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, x.pixels().div_ceil(4) * y.c4().div_ceil(block));
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, w) = (&inputs[0], &inputs[1]);
        let mut y = Array::from_fn(x.shape.with_c(w.shape.c), |n, h, c, o| {
            (0..x.shape.c).map(|i| x.at(n, h, c, i) * w.at(0, 0, i, o)).sum()
        });
        if self.bias {
            add_channels(&mut y, &inputs[2].data);
        }
        vec![y.map(|v| self.act.value(v))]
    }

    fn fuse(&self, next: &dyn Operator, _slot: usize, _shapes: &FuseShapes<'_>) -> Option<Arc<dyn Operator>> {
        let activation = next.is::<Activation>()?;
        let fits = self.act == Act::Identity && activation.is_forward() && activation.act.known_by_output();
        fits.then(|| Arc::new(Self { act: activation.act, ..*self }) as _)
    }
}

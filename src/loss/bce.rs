//! Binary cross-entropy of logits.

use super::{check_pair, scale_by_upstream, shares};
use crate::{
    Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
    ops::Act,
};

/// Mean over all elements of `max(v, 0) - v g + log(1 + exp(-|v|))` (nats), the stable form of
/// `-g log p - (1 - g) log(1 - p)` with `p = sigmoid(v)`.
///
/// Inputs: logits v `[N,H,W,C]`, target g of that shape, 0 to 1. Outputs: the loss (a scalar), and its
/// gradient by the logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bce;

impl Operator for Bce {
    fn name(&self) -> &'static str {
        "bce"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        check_pair(self.name(), inputs)
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(20, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        scale_by_upstream(self.name(), b)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let shares = shares(x.vec4s(), 1);
        let scale = 1.0 / x.count() as f32;
        let partial = l.scratch("partial", Shape::new(1, 1, shares, 4));
        let params = vec![
            ("size", x.vec4s().into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("shares", shares.into()),
            ("scale", scale.into()),
        ];
        let buffers = vec![
            Access::Write(l.output(1)),
            Access::Write(partial),
            Access::Read(l.input(0)),
            Access::Read(l.input(1)),
        ];
        l.dispatch(Variant::new("loss/bce"), params, buffers, 64 * shares);
        let params = vec![("shares", shares.into()), ("scale", scale.into())];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(partial)];
        l.dispatch(Variant::new("loss/total"), params, buffers, 64);
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0, 1]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, g) = (&inputs[0], &inputs[1]);
        let count = x.shape.count() as f64;
        let pairs = || x.data.iter().zip(&g.data);
        let loss: f64 = pairs().map(|(v, g)| v.max(0.0) - v * g + (-v.abs()).exp().ln_1p()).sum();
        let slopes = pairs().map(|(v, g)| (Act::Sigmoid.value(*v) - g) / count).collect();
        vec![Array { shape: Shape::SCALAR, data: vec![loss / count] }, Array { shape: x.shape, data: slopes }]
    }
}

//! Cross-entropy of a softmax.

use super::{check_pair, scale_by_upstream, shares};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
    ops::Softmax,
};

/// `sum w g (-log p) / sum w g` (nats) over pixels and channels, with p the softmax over a pixel's channels and
/// w the weights of the classes: with one-hot targets and no weights the mean over the pixels.
///
/// Inputs: logits `[N,H,W,C]`, target g of that shape, 0 to 1; where `weighted`, w `[C]`. Outputs: the loss (a
/// scalar; 0 where all weights are), and its gradient by the logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrossEntropy {
    /// Classes have weights.
    pub weighted: bool,
}

impl Operator for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let shapes = check_pair(self.name(), &inputs[..2])?;
        if self.weighted && inputs.get(2) != Some(&Shape::channels(inputs[0].c)) {
            let message = format!("wants one weight for each of {} classes", inputs[0].c);
            return Err(Error::shape(self.name(), message));
        }
        Ok(shapes)
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(30, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        scale_by_upstream(self.name(), b)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let shares = shares(x.pixels(), 1);
        let (logits, target) = (Access::Read(l.input(0)), Access::Read(l.input(1)));
        let weights: Vec<Access> = self.weighted.then(|| Access::Read(l.input(2))).into_iter().collect();
        let partial = l.scratch("partial", Shape::new(1, 1, shares, 4));
        let size = vec![("pixels", x.pixels().into()), ("c4", x.c4().into()), ("channels", x.c.into())];
        let params = [size.clone(), vec![("shares", shares.into())]].concat();
        let buffers = [vec![Access::Write(partial), logits, target], weights.clone()].concat();
        let variant = |file| Variant::new(file).feature("weighted", self.weighted);
        l.dispatch(variant("loss/cross_entropy_sums"), params, buffers, 64 * shares);

        let scale = l.scratch("scale", Shape::SCALAR);
        let buffers = vec![Access::Write(l.output(0)), Access::Write(scale), Access::Read(partial)];
        let fold = Variant::new("loss/cross_entropy_fold");
        l.dispatch(fold, vec![("shares", shares.into())], buffers, 64);

        let buffers = vec![Access::Write(l.output(1)), logits, target, Access::Read(scale)];
        let buffers = [buffers, weights].concat();
        l.dispatch(variant("loss/cross_entropy_grad"), size, buffers, x.pixels());
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        (0..2 + usize::from(self.weighted)).collect()
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0, 1]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, g) = (&inputs[0], &inputs[1]);
        let c = x.shape.c;
        let weight = |class: usize| inputs.get(2).map_or(1.0, |w| w.data[class]);
        let p = &Softmax::new().twin(&inputs[..1])[0];
        let (mut loss, mut whole) = (0.0, 0.0);
        let mut slopes = Array::zeros(x.shape);
        for first in (0..x.shape.count()).step_by(c) {
            let logits = &x.data[first..first + c];
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let log_sum = largest + logits.iter().map(|v| (v - largest).exp()).sum::<f64>().ln();
            let wanted: Vec<f64> = (0..c).map(|k| weight(k) * g.data[first + k]).collect();
            let sum: f64 = wanted.iter().sum();
            whole += sum;
            for k in 0..c {
                loss += wanted[k] * (log_sum - logits[k]);
                slopes.data[first + k] = p.data[first + k] * sum - wanted[k];
            }
        }
        let scale = if whole > 0.0 { 1.0 / whole } else { 0.0 };
        vec![Array { shape: Shape::SCALAR, data: vec![loss * scale] }, slopes.map(|v| v * scale)]
    }
}

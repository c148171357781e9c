//! Softmax and log-softmax over channels.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `y = exp(x) / sum over channels of exp(x)` or its logarithm, a pixel at a time; input x `[N, H, W, C]`.
/// Any finite x will do: the largest channel is subtracted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// Takes the logarithm.
    pub log: bool,
    backward: bool,
}

impl Softmax {
    /// The softmax; input x.
    pub const fn new() -> Self {
        Self { log: false, backward: false }
    }

    /// Its logarithm; input x.
    pub const fn log() -> Self {
        Self { log: true, backward: false }
    }

    /// The gradient of either by x; inputs y, dy.
    pub const fn backward(log: bool) -> Self {
        Self { log, backward: true }
    }
}

impl Default for Softmax {
    fn default() -> Self {
        Self::new()
    }
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [x, rest @ ..] if x.c > 0 && rest.iter().all(|s| s == x) => Ok(vec![*x]),
            _ => Err(Error::shape("softmax", format!("shapes differ or are empty: {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(if self.backward { 4 } else { 5 }, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.backward) else {
            return Err(Error::shape("softmax", "second derivatives are not built"));
        };
        let y = b.output(0);
        let dx = b.graph.apply(Self::backward(self.log), &[y, dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.output_shape(0);
        let variant = Variant::new("softmax").feature("log", self.log).feature("backward", self.backward);
        let params = vec![("pixels", x.pixels().into()), ("c4", x.c4().into()), ("channels", x.c.into())];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, x.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let mut y = inputs[0].clone();
        let c = y.shape.c;
        for (i, pixel) in y.data.chunks_exact_mut(c).enumerate() {
            if self.backward {
                let dy = &inputs[1].data[i * c..(i + 1) * c];
                let weight = |y: f64| if self.log { 1.0 } else { y };
                let total: f64 = dy.iter().zip(&*pixel).map(|(d, y)| d * weight(*y)).sum();
                for (y, d) in pixel.iter_mut().zip(dy) {
                    *y = if self.log { d - y.exp() * total } else { *y * (d - total) };
                }
                continue;
            }
            let top = pixel.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = pixel.iter().map(|v| (v - top).exp()).sum();
            for v in pixel {
                *v = if self.log { *v - top - total.ln() } else { (*v - top).exp() / total };
            }
        }
        vec![y]
    }
}

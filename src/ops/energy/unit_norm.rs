//! Division of the channels of each pixel by their norm.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `y = x / max(|x|, eps)`, |x| being the Euclidean norm over the channels of a pixel; input x `[N, H, W, C]`. Pixels
/// whose norm is below eps are divided by it, in the gradient too, so that none is divided by zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnitNorm {
    /// Least divisor.
    pub eps: f32,
    backward: bool,
}

impl UnitNorm {
    /// Of norms of at least `eps`; input x.
    pub const fn new(eps: f32) -> Self {
        Self { eps, backward: false }
    }

    /// The gradient by x; inputs x, dy.
    pub const fn backward(eps: f32) -> Self {
        Self { eps, backward: true }
    }
}

impl Operator for UnitNorm {
    fn name(&self) -> &'static str {
        "unit_norm"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if !(self.eps >= f32::MIN_POSITIVE && self.eps.is_finite()) {
            return Err(Error::shape(
                "unit_norm",
                format!("eps must be above 0 and finite, not {}", self.eps),
            ));
        }
        match inputs {
            [x, rest @ ..] if rest.len() == usize::from(self.backward) && rest.iter().all(|s| s == x) => {
                Ok(vec![*x])
            }
            _ => Err(Error::shape(
                "unit_norm",
                format!("wants x, or x and dy of one shape for the gradient, got {inputs:?}"),
            )),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(if self.backward { 8 } else { 5 }, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.backward) else {
            return Err(Error::shape("unit_norm", "second derivatives are not built"));
        };
        let x = b.input(0);
        let dx = b.graph.apply(Self::backward(self.eps), &[x, dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.output_shape(0);
        let variant = Variant::new("energy/unit_norm").feature("backward", self.backward);
        let params = vec![("pixels", x.pixels().into()), ("c4", x.c4().into()), ("eps", self.eps.into())];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, x.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let mut y = inputs[0].clone();
        let (c, eps) = (y.shape.c, f64::from(self.eps));
        for (i, pixel) in y.data.chunks_exact_mut(c).enumerate() {
            let norm = pixel.iter().map(|v| v * v).sum::<f64>().sqrt();
            if !self.backward {
                pixel.iter_mut().for_each(|v| *v /= norm.max(eps));
                continue;
            }
            let dy = &inputs[1].data[i * c..(i + 1) * c];
            let along: f64 = dy.iter().zip(&*pixel).map(|(d, x)| d * x).sum();
            for (v, d) in pixel.iter_mut().zip(dy) {
                *v = if norm > eps { (d - *v * along / (norm * norm)) / norm } else { d / eps };
            }
        }
        vec![y]
    }
}

//! Response of a belief (section 3.1.1).

use super::pixel;
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape, Var},
};

/// `r = sum over pairs of channels of (v_l - v_m)^2 / 2 = L sum v^2 - (sum v)^2`, `[N, H, W, 1]`, of beliefs v
/// `[N, H, W, L]`: how decided a pixel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Response {
    backward: bool,
}

impl Response {
    /// Input v.
    pub const fn new() -> Self {
        Self { backward: false }
    }

    /// Adds the dispatch that makes the responses of `v`, of shape `s`.
    pub(super) fn of(l: &mut Lowering<'_>, v: Var, s: Shape) -> Var {
        let responses = l.scratch("responses", s.with_c(1));
        Self::new().dispatch(l, s, vec![Access::Write(responses), Access::Read(v)]);
        responses
    }

    fn dispatch(self, l: &mut Lowering<'_>, v: Shape, buffers: Vec<Access>) {
        let params = vec![("pixels", v.pixels().into()), ("c4", v.c4().into()), ("channels", v.c.into())];
        let variant = Variant::new("energy/response").feature("backward", self.backward);
        l.dispatch(variant, params, buffers, v.pixels());
    }

    /// On the host, of one pixel.
    pub(super) fn value(v: &[f64]) -> f64 {
        let sum: f64 = v.iter().sum();
        v.len() as f64 * v.iter().map(|v| v * v).sum::<f64>() - sum * sum
    }
}

impl Operator for Response {
    fn name(&self) -> &'static str {
        "energy/response"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [v] if v.c > 0 && !self.backward => Ok(vec![v.with_c(1)]),
            [v, dy] if self.backward && *dy == v.with_c(1) => Ok(vec![*v]),
            _ => Err(Error::shape("response", format!("shapes do not fit: {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(3, inputs, outputs)
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        // Squares pass the range of half soon.
        if self.backward { Vec::new() } else { vec![0] }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.backward) else {
            return Err(Error::shape("response", "second derivatives are not built"));
        };
        let dv = b.graph.apply(Self { backward: true }, &[b.input(0), dy])?;
        b.give(0, dv);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        self.dispatch(l, l.input_shape(0), buffers);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let v = &inputs[0];
        if !self.backward {
            return vec![Array::from_fn(v.shape.with_c(1), |n, h, w, _| Self::value(pixel(v, n, h, w)))];
        }
        vec![Array::from_fn(v.shape, |n, h, w, c| {
            let own = pixel(v, n, h, w);
            let slope = 2.0 * (own.len() as f64 * own[c] - own.iter().sum::<f64>());
            inputs[1].at(n, h, w, 0) * slope
        })]
    }
}

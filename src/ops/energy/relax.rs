//! A step of a descent.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
    ops::Broadcast,
};

/// `y = a + rate * (b - d)`: a state a that moves towards b, or along a direction b - d. Inputs: a, b, and d where it
/// is not a; all of one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relax {
    /// How far the state goes: 0 is not at all, 1 all the way.
    pub rate: f32,
}

impl Operator for Relax {
    fn name(&self) -> &'static str {
        "relax"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if !self.rate.is_finite() {
            return Err(Error::shape(
                "relax",
                format!("the rate must be a finite number, not {}", self.rate),
            ));
        }
        match inputs {
            [a, rest @ ..] if (1..=2).contains(&rest.len()) && rest.iter().all(|s| s == a) => Ok(vec![*a]),
            _ => {
                Err(Error::shape("relax", format!("wants two or three tensors of one shape, got {inputs:?}")))
            }
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(3, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let direct = b.node.inputs.len() == 3;
        let scales = [if direct { 1.0 } else { 1.0 - self.rate }, self.rate, -self.rate];
        let to = b.shape(0);
        for (slot, scale) in scales.into_iter().enumerate().take(b.node.inputs.len()) {
            if b.wants(slot) {
                let gradient =
                    if scale == 1.0 { dy } else { b.graph.apply(Broadcast { to, scale }, &[dy])? };
                b.give(slot, gradient);
            }
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let a = l.input_shape(0);
        let variant = Variant::new("energy/relax").feature("direct", l.inputs() == 3);
        let params = vec![("size", a.vec4s().into()), ("rate", self.rate.into())];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, a.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (a, b, d) = (&inputs[0], &inputs[1], inputs.get(2).unwrap_or(&inputs[0]));
        let moved = |i: usize| a.data[i] + f64::from(self.rate) * (b.data[i] - d.data[i]);
        vec![Array { shape: a.shape, data: (0..a.data.len()).map(moved).collect() }]
    }
}

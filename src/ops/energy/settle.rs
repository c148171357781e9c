//! The end of a descent, picture by picture.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Lets the pictures of a batch stop one by one once their energy rests. Inputs: the state before a step and after it
/// `[N, H, W, C]`, the energy before and after `[N, 1, 1, 1]`, and whether each picture moves, 1 or 0, `[N, 1, 1, 1]`.
/// Outputs: the state, that after the step of pictures that moved and else that before it, and whether each moves on:
/// where it moved and `|after - before| > tolerance * max(|before|, 1e-12)`, of the energies. A picture with an energy
/// that is infinite or no number stops, after the step that led there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settle {
    /// Relative change of energy that counts as rest; at 0 all changes are moves.
    pub tolerance: f32,
}

/// Energies below this are as good as none.
const TINY: f64 = 1e-12;

impl Operator for Settle {
    fn name(&self) -> &'static str {
        "energy/settle"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            let message = format!("the tolerance must be 0 or above and finite, not {}", self.tolerance);
            return Err(Error::shape("settle", message));
        }
        let fits = |x: &Shape, each: &[Shape]| each.iter().all(|s| *s == Shape::new(x.n, 1, 1, 1));
        match inputs {
            [x, after, each @ ..] if x == after && x.count() > 0 && each.len() == 3 && fits(x, each) => {
                Ok(vec![*x, each[2]])
            }
            _ => Err(Error::shape(
                "settle",
                format!(
                    "wants two states of one shape, and two energies and a flag a picture, got {inputs:?}"
                ),
            )),
        }
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![2, 3, 4]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![1]
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(0, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("settle", "stopping has no gradient; train with a fixed number of steps"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let params = vec![
            ("size", x.vec4s().into()),
            ("picture", (x.h * x.w * x.c4()).into()),
            ("pictures", x.n.into()),
            ("tolerance", self.tolerance.into()),
        ];
        let mut buffers = vec![Access::Write(l.output(0)), Access::Write(l.output(1))];
        buffers.extend((0..5).map(|i| Access::Read(l.input(i))));
        l.dispatch(Variant::new("energy/settle"), params, buffers, x.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let [before, after, from, to, moving] = inputs else { return Vec::new() };
        let state = Array::from_fn(before.shape, |n, h, w, c| {
            let state = if moving.data[n] != 0.0 { after } else { before };
            state.at(n, h, w, c)
        });
        let on = |n: usize| {
            let (e, change) = (from.data[n], to.data[n] - from.data[n]);
            let changes = change.abs() > f64::from(self.tolerance) * e.abs().max(TINY);
            let finite = e.is_finite() && to.data[n].is_finite();
            f64::from(u8::from(moving.data[n] != 0.0 && finite && changes))
        };
        vec![state, Array { shape: moving.shape, data: (0..before.shape.n).map(on).collect() }]
    }
}

//! A tensor repeated along the axes where it has one element, times a factor.

use super::{
    Reduce,
    binary::{broadcast, form},
};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Lowering, Operator, Shape, Var},
};

/// `y = scale * x`, repeated to shape `to`; input x of that shape or one of (N,1,1,C), (N,H,W,1),
/// (1,1,1,C), (1,1,1,1) in NHWC.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// Shape of y.
    pub to: Shape,
    /// Factor.
    pub scale: f32,
}

impl Broadcast {
    /// Adds the dispatch that makes y of x, a tensor of shape `from`.
    pub(super) fn dispatch(&self, l: &mut Lowering<'_>, x: Var, from: Shape, y: Var) {
        let to = self.to;
        let variant = Variant::new("broadcast").feature(form(to, from), true);
        let params = vec![
            ("size", to.vec4s().into()),
            ("c4", to.c4().into()),
            ("channels", to.c.into()),
            ("picture", (to.h * to.w * to.c4()).into()),
            ("scale", self.scale.into()),
        ];
        l.dispatch(variant, params, vec![Access::Write(y), Access::Read(x)], to.vec4s());
    }
}

impl Operator for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match broadcast(self.to, inputs[0]) {
            Some(_) => Ok(vec![self.to]),
            None => {
                Err(Error::shape("broadcast", format!("{} cannot be broadcast to {}", inputs[0], self.to)))
            }
        }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let dx = match broadcast(self.to, b.shape(0)).flatten() {
            None => b.graph.apply(self.clone(), &[dy])?,
            Some(keep) => b.graph.apply(Reduce::scaled(keep, self.scale), &[dy])?,
        };
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (l.input(0), l.output(0));
        self.dispatch(l, x, l.input_shape(0), y);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let s = x.shape;
        let pick = |i: usize, size: usize| if size == 1 { 0 } else { i };
        vec![Array::from_fn(self.to, |n, h, w, c| {
            f64::from(self.scale) * x.at(pick(n, s.n), pick(h, s.h), pick(w, s.w), pick(c, s.c))
        })]
    }
}

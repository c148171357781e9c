//! Sum, difference and product of two tensors, the second possibly broadcast.

use std::sync::Arc;

use super::{Broadcast, Keep, Reduce};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Graph, Lowering, Node, Operator, Role, Shape, Var},
};

/// Which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryKind {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a * b
    Mul,
}

/// `y = a (+, -, *) b`, where b has a's shape or one of (N,1,1,C), (N,H,W,1), (1,1,1,C), (1,1,1,1) in NHWC.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Which operation.
    pub kind: BinaryKind,
    into: bool,
}

impl Binary {
    /// `y = a (kind) b`; inputs a, b.
    pub const fn new(kind: BinaryKind) -> Self {
        Self { kind, into: false }
    }

    /// Makes a new tensor of the sum of two that have the same shape.
    pub(super) fn is_sum(&self, inputs: &[Shape]) -> bool {
        self.kind == BinaryKind::Add && !self.into && inputs[0] == inputs[1]
    }
}

/// `a + b`; where `a` is a gradient accumulator, b is added into it.
///
/// # Errors
/// [`Error::Shape`] if the shapes do not fit.
pub fn add(graph: &mut Graph, a: Var, b: Var) -> Result<Var> {
    let into = matches!(graph.vars[a.0].role, Role::Gradient(_));
    let op = Binary { kind: BinaryKind::Add, into };
    if into {
        return graph.apply_all(op, &[a, b]).map(|_| a);
    }
    graph.apply(op, &[a, b])
}

/// How b lies over a; ambiguous shapes (one pixel, one channel) mean the same under either reading.
pub(super) fn broadcast(a: Shape, b: Shape) -> Option<Option<Keep>> {
    if a == b {
        return Some(None);
    }
    [Keep::Channels, Keep::Nothing, Keep::PictureChannels, Keep::Pixels]
        .into_iter()
        .find(|keep| keep.shape(a) == b)
        .map(Some)
}

/// The shader feature of that.
pub(super) fn form(a: Shape, b: Shape) -> &'static str {
    match broadcast(a, b).flatten() {
        None => "same",
        Some(Keep::PictureChannels) => "picture_channels",
        Some(Keep::Pixels) => "pixels",
        Some(Keep::Channels) => "channels",
        Some(Keep::Nothing) => "scalar",
    }
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let (a, b) = (inputs[0], inputs[1]);
        if broadcast(a, b).is_none() {
            return Err(Error::shape("binary", format!("{b} cannot be broadcast to {a}")));
        }
        Ok(if self.into { Vec::new() } else { vec![a] })
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let (left, right) = (b.input(0), b.input(1));
        if b.wants(0) {
            let da = match self.kind {
                BinaryKind::Mul => b.graph.apply(Self::new(BinaryKind::Mul), &[dy, right])?,
                _ => dy,
            };
            b.give(0, da);
        }
        if !b.wants(1) {
            return Ok(());
        }
        let keep = broadcast(b.shape(0), b.shape(1)).flatten();
        let db = match (self.kind, keep) {
            (BinaryKind::Add, None) => dy,
            (BinaryKind::Sub, None) => {
                let minus = Broadcast { to: b.shape(1), scale: -1.0 };
                b.graph.apply(minus, &[dy])?
            }
            (BinaryKind::Mul, None) => b.graph.apply(Self::new(BinaryKind::Mul), &[dy, left])?,
            (BinaryKind::Add, Some(keep)) => b.graph.apply(Reduce::sum(keep), &[dy])?,
            (BinaryKind::Sub, Some(keep)) => b.graph.apply(Reduce::scaled(keep, -1.0), &[dy])?,
            (BinaryKind::Mul, Some(keep)) => b.graph.apply(Reduce::sum_of_product(keep), &[dy, left])?,
        };
        b.give(1, db);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (a, b) = (l.input_shape(0), l.input_shape(1));
        let form = form(a, b);
        let kind = match self.kind {
            BinaryKind::Add => "add",
            BinaryKind::Sub => "sub",
            BinaryKind::Mul => "mul",
        };
        let variant =
            Variant::new("binary").feature(form, true).feature(kind, true).feature("into", self.into);
        let params = vec![
            ("size", a.vec4s().into()),
            ("c4", a.c4().into()),
            ("channels", a.c.into()),
            ("picture", (a.h * a.w * a.c4()).into()),
        ];
        let buffers = if self.into {
            vec![Access::Write(l.input(0)), Access::Read(l.input(1))]
        } else {
            vec![Access::Write(l.output(0)), Access::Read(l.input(1)), Access::Read(l.input(0))]
        };
        l.dispatch(variant, params, buffers, a.vec4s());
        Ok(())
    }

    fn again(&self, node: &Node) -> Option<(Arc<dyn Operator>, Vec<Var>)> {
        Some((Arc::new(self.clone()), node.inputs.clone()))
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let s = b.shape;
        let pick = |i: usize, size: usize| if size == 1 { 0 } else { i };
        let y = Array::from_fn(a.shape, |n, y, x, c| {
            let (va, vb) = (a.at(n, y, x, c), b.at(pick(n, s.n), pick(y, s.h), pick(x, s.w), pick(c, s.c)));
            match self.kind {
                BinaryKind::Add => va + vb,
                BinaryKind::Sub => va - vb,
                BinaryKind::Mul => va * vb,
            }
        });
        vec![y]
    }

    fn exact_inputs(&self) -> Vec<usize> {
        // What is added to an accumulator is the gradient of a parameter.
        if self.into { vec![1] } else { Vec::new() }
    }

    fn updates(&self) -> Vec<usize> {
        if self.into { vec![0] } else { Vec::new() }
    }
}

//! Losses: operators that compute a scalar and, in the same passes, its gradient by the logits.

mod bce;
mod cross_entropy;
mod overlap;
pub mod samples;
mod softmax_focal;
mod spec;

pub use bce::Bce;
pub use cross_entropy::CrossEntropy;
pub use overlap::{ClassReduction, Focus, Link, Overlap, Scope};
pub use softmax_focal::SoftmaxFocal;
pub use spec::{Loss, LossOptions, LossSpec, spec_from_attrs};

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Backward, Lowering, Shape, Var},
    ops::{Binary, BinaryKind},
};

/// Most workgroups that one sum is split over.
const SHARES: usize = 256;

/// Workgroups to split each of `sums` sums over `items` elements into: enough for the device to be busy,
/// with enough for each to do.
fn shares(items: usize, sums: usize) -> usize {
    (1024 / sums.max(1)).min(items.div_ceil(64 * 4)).clamp(1, SHARES)
}

/// Shapes of the outputs, after a look at those of logits and target.
fn check_pair(name: &str, inputs: &[Shape]) -> Result<Vec<Shape>> {
    match inputs {
        [logits, target] if logits == target && logits.count() > 0 => Ok(vec![Shape::SCALAR, *logits]),
        _ => Err(Error::shape(name, format!("wants logits and target of one shape, got {inputs:?}"))),
    }
}

/// The gradient rule of all losses: the gradient by the logits is there, times that of the loss.
fn scale_by_upstream(name: &str, b: &mut Backward<'_>) -> Result<()> {
    let Some(dloss) = b.dy() else {
        return Err(Error::shape(name, "second derivatives are not built"));
    };
    if b.wants(1) {
        return Err(Error::shape(name, "the target has no gradient"));
    }
    let dlogits = b.output(1);
    let dlogits = b.graph.apply(Binary::new(BinaryKind::Mul), &[dlogits, dloss])?;
    b.give(0, dlogits);
    Ok(())
}

/// Adds the last stage of a loss: its partial sums, `shares` vec4, become output 0, times `scale`.
fn total(l: &mut Lowering<'_>, partial: Var, shares: usize, scale: f32) {
    let params = vec![("shares", shares.into()), ("scale", scale.into())];
    let buffers = vec![Access::Write(l.output(0)), Access::Read(partial)];
    l.dispatch(Variant::new("loss/total"), params, buffers, 64);
}

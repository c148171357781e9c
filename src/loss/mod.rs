//! Losses: operators that compute a scalar and, in the same passes, its gradient by the logits; or, where the truth has to be
//! looked at first, several operators.

mod attrs;
mod bce;
mod boundary;
mod consistency;
mod counts;
mod cross_entropy;
mod edge;
mod generalised;
mod overlap;
pub mod samples;
mod softmax_focal;
mod spec;

pub use attrs::spec_from_attrs;
pub use bce::Bce;
pub use boundary::Boundary;
pub use consistency::Consistency;
pub use counts::{Link, Scope};
pub use cross_entropy::CrossEntropy;
pub use edge::Edge;
pub use generalised::{ClassWeighting, GeneralisedDice, Penalty, PenaltyForm};
pub use overlap::{ClassReduction, Focus, Overlap, Sides};
pub use softmax_focal::SoftmaxFocal;
pub use spec::{Loss, LossOptions, LossSpec};

use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Backward, Lowering, Shape},
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

/// Adds a loss whose gradient needs no sum: one pass over logits and target that leaves the gradient and `shares`
/// partial sums, and one that adds those up to output 0, times `scale`.
fn in_one_pass(
    l: &mut Lowering<'_>,
    variant: Variant,
    params: Vec<(&'static str, Word)>,
    shares: usize,
    scale: f32,
) {
    let partial = l.scratch("partial", Shape::new(1, 1, shares, 4));
    let (logits, target) = (Access::Read(l.input(0)), Access::Read(l.input(1)));
    let buffers = vec![Access::Write(l.output(1)), Access::Write(partial), logits, target];
    l.dispatch(variant, params, buffers, 64 * shares);
    let params = vec![("shares", shares.into()), ("scale", scale.into())];
    let buffers = vec![Access::Write(l.output(0)), Access::Read(partial)];
    l.dispatch(Variant::new("loss/total"), params, buffers, 64);
}

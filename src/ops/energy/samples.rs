//! A few awkward samples of every operator here, as `ops::samples` has of the others.

use super::Patches;
use crate::{graph::Shape, ops::check::Sample};

/// In the order of their names.
pub fn samples() -> Vec<Sample> {
    [patches()].concat()
}

/// One number.
const TINY: Shape = Shape::SCALAR;

fn patches() -> Vec<Sample> {
    let of = |op: Patches, x: Shape| Sample::new(format!("{op:?} {x}"), op, &[x]);
    let x = Shape::new(3, 6, 9, 13);
    vec![of(Patches::cut(3), x), of(Patches::join(3), Shape::new(3, 2, 3, 117)), of(Patches::cut(1), TINY)]
}

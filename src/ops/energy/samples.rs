//! A few awkward samples of every operator here, as `ops::samples` has of the others.

use super::{Entmax, EntmaxKind, Frangi, Kohonen, Patches, Relax, Settle, UnitNorm};
use crate::{graph::Shape, ops::check::Sample};

/// In the order of their names.
pub fn samples() -> Vec<Sample> {
    [entmax(), frangi(), kohonen(), patches(), relax(), settle(), unit_norm()].concat()
}

/// Three pictures of odd size with 13 channels: nothing divides anything.
const ODD: Shape = Shape::new(3, 5, 7, 13);
/// One number.
const TINY: Shape = Shape::SCALAR;

fn entmax() -> Vec<Sample> {
    let of = |kind: EntmaxKind, x: Shape| Sample::new(format!("{kind:?} {x}"), Entmax::new(kind), &[x]);
    let kinds = [EntmaxKind::Sparsemax, EntmaxKind::Entmax15];
    let wide = Shape::new(2, 1, 2, 270);
    kinds.into_iter().flat_map(|kind| [of(kind, ODD), of(kind, wide)]).chain([of(kinds[0], TINY)]).collect()
}

fn frangi() -> Vec<Sample> {
    let of = |x: Shape| Sample::new(x.to_string(), Frangi, &[x]).forward_only();
    vec![of(Shape::new(3, 5, 7, 3)), of(Shape::new(2, 40, 33, 1)), of(TINY)]
}

fn kohonen() -> Vec<Sample> {
    let of = |map: Shape, count: usize| {
        let label = format!("{map}, {count} samples");
        Sample::new(label, Kohonen { rate: 0.3 }, &[map, Shape::new(1, 1, count, map.c)]).forward_only()
    };
    vec![of(Shape::new(1, 5, 7, 13), 17), of(Shape::new(1, 9, 11, 3), 40), of(TINY, 3)]
}

fn patches() -> Vec<Sample> {
    let of = |op: Patches, x: Shape| Sample::new(format!("{op:?} {x}"), op, &[x]);
    let x = Shape::new(3, 6, 9, 13);
    vec![of(Patches::cut(3), x), of(Patches::join(3), Shape::new(3, 2, 3, 117)), of(Patches::cut(1), TINY)]
}

fn relax() -> Vec<Sample> {
    let of = |shapes: &[Shape]| Sample::new(format!("{shapes:?}"), Relax { rate: 0.3 }, shapes);
    vec![of(&[ODD; 2]), of(&[ODD; 3]), of(&[TINY; 2])]
}

fn settle() -> Vec<Sample> {
    let of = |x: Shape| {
        let each = Shape::new(x.n, 1, 1, 1);
        let sample = Sample::new(x.to_string(), Settle { tolerance: 0.5 }, &[x, x, each, each, each]);
        sample.with(4, |v| if v > -1.0 { 1.0 } else { 0.0 }).constants(&[2, 3, 4]).forward_only()
    };
    vec![of(ODD), of(TINY), of(Shape::new(70, 1, 1, 2))]
}

fn unit_norm() -> Vec<Sample> {
    let of = |eps: f32, x: Shape| Sample::new(format!("{eps} {x}"), UnitNorm::new(eps), &[x]);
    vec![of(1e-6, ODD), of(0.5, ODD.with_c(1)), of(2.0, Shape::new(2, 1, 3, 6))]
}

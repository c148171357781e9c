//! A few awkward samples of every operator here, as `ops::samples` has of the others.

use super::{
    Crf, CrfKernel, EdgeMask, Entmax, EntmaxKind, Frangi, Hopfield, Kohonen, Laplacian, NeighbourDots,
    Neighbours, Patches, Response, Retrieval, Rule, Settle, Som, SomEnergy, SomEnergyKind, SomGrad,
};
use crate::{graph::Shape, ops::check::Sample};

/// In the order of their names.
pub fn samples() -> Vec<Sample> {
    [
        crf(),
        crf_kernel(),
        edge_mask(),
        entmax(),
        frangi(),
        hopfield(),
        kohonen(),
        laplacian(),
        neighbours(),
        patches(),
        response(),
        settle(),
        som(),
        som_energy(),
        som_grad(),
    ]
    .concat()
}

/// Three pictures of odd size with 13 channels: nothing divides anything.
const ODD: Shape = Shape::new(3, 5, 7, 13);
/// One number.
const TINY: Shape = Shape::SCALAR;

/// A mask of numbers from 0 to 1 in the place of input 1.
fn masked(sample: Sample) -> Sample {
    sample.with(1, |v| (0.25 * (v + 2.0)).max(0.125))
}

fn crf() -> Vec<Sample> {
    let of = |op: Crf, v: Shape, matrix: bool| {
        let w = if matrix { Shape::new(1, 1, v.c, v.c) } else { TINY };
        let mut shapes = vec![v, v.with_c(4), w];
        shapes.extend((op.anchor > 0.0).then_some(v));
        let sample =
            masked(Sample::new(format!("{op:?} {v}, matrix: {matrix}"), op, &shapes)).with(2, |w| 0.3 * w);
        if op.traced { sample.forward_only() } else { sample }
    };
    let anchored = Crf { anchor: 0.2, normalised: true, ..Crf::new(0.3, 2) };
    let traced = Crf { traced: true, ..Crf::new(0.3, 3) };
    vec![
        of(anchored, ODD, true),
        of(Crf::new(0.3, 2), TINY, false),
        of(traced, ODD, false),
        of(traced, ODD, true),
    ]
}

fn crf_kernel() -> Vec<Sample> {
    let of = |normalised: bool, x: Shape| {
        let op = CrfKernel::new(1.5, normalised);
        Sample::new(format!("{op:?} {x}"), op, &[x]).with(0, |v| 0.4 * v)
    };
    vec![of(true, ODD), of(false, ODD), of(true, TINY)]
}

fn edge_mask() -> Vec<Sample> {
    let of = |softness: f32| EdgeMask::new(1.2, softness);
    let f = ODD.with_c(1);
    vec![Sample::new("steps", of(0.0), &[f]).forward_only(), Sample::new("soft", of(0.7), &[f])]
}

fn hopfield() -> Vec<Sample> {
    let of = |op: Hopfield, v: Shape, memories: usize| {
        let mut shapes = vec![v, Shape::new(1, 1, memories, v.c)];
        shapes.extend((op.anchor > 0.0).then_some(v));
        let sample = Sample::new(format!("{op:?} {v}"), op, &shapes).with(1, |m| 0.3 * m);
        if op.traced { sample.forward_only() } else { sample }
    };
    let op = Hopfield::new(0.4, 2);
    let kinds = Retrieval::ALL.into_iter().map(|retrieval| of(Hopfield { retrieval, ..op }, ODD, 5));
    let others = [
        of(Hopfield { anchor: 0.2, ..op }, ODD, 70),
        of(Hopfield { traced: true, ..op }, ODD, 3),
        of(op, TINY, 1),
    ];
    kinds.chain(others).collect()
}

fn laplacian() -> Vec<Sample> {
    let of = |c: usize| Sample::new(format!("{c}"), Laplacian, &[ODD.with_c(c)]).forward_only();
    vec![of(1), of(3)]
}

fn neighbours() -> Vec<Sample> {
    let op = Neighbours::new(0.7);
    let adjoint = Neighbours { adjoint: true, ..op };
    vec![
        Sample::new("sum", op, &[ODD.with_c(4), ODD]),
        Sample::new("adjoint", adjoint, &[ODD.with_c(4), ODD]).forward_only(),
        Sample::new("dots", NeighbourDots { scale: 1.3 }, &[ODD, ODD]).forward_only(),
    ]
}

fn response() -> Vec<Sample> {
    vec![Sample::new("odd", Response::new(), &[ODD]), Sample::new("tiny", Response::new(), &[TINY])]
}

const RULES: [Rule; 3] = [
    Rule::Equilibrium { include_self: true },
    Rule::Response { literal: false },
    Rule::Response { literal: true },
];

fn som() -> Vec<Sample> {
    let of = |op: Som, v: Shape| {
        let mut shapes = vec![v, v.with_c(4)];
        shapes.extend((op.anchor > 0.0).then_some(v));
        let sample = masked(Sample::new(format!("{op:?} {v}"), op, &shapes)).with(0, |v| 0.3 * v);
        if op.traced { sample.forward_only() } else { sample }
    };
    let rules = RULES.into_iter().map(|rule| of(Som { anchor: 0.2, ..Som::new(rule, 0.4, 2) }, ODD));
    let traced = Som { traced: true, ..Som::new(RULES[0], 0.4, 5) };
    // Larger than a region, and more steps than one takes at once.
    let cut = RULES
        .into_iter()
        .map(|rule| of(Som { traced: true, ..Som::new(rule, 0.4, 9) }, Shape::new(1, 41, 35, 5)));
    let single = Som { anchor: 0.2, traced: true, ..Som::new(RULES[1], 0.4, 3) };
    let others = [of(traced, ODD), of(Som::new(RULES[1], 0.4, 1), TINY), of(single, Shape::new(2, 5, 6, 3))];
    rules.chain(cut).chain(others).collect()
}

fn som_energy() -> Vec<Sample> {
    let of = SomEnergy::new;
    vec![
        Sample::new("pairs", of(SomEnergyKind::Pairs), &[ODD]),
        masked(Sample::new("edges", of(SomEnergyKind::Edges), &[ODD, ODD.with_c(4)])).forward_only(),
    ]
}

fn som_grad() -> Vec<Sample> {
    let of = |rule: Rule| {
        let op = SomGrad { rule, rate: 0.4, anchor: 0.2, edges: true };
        let sample = Sample::new(format!("{op:?}"), op, &[ODD, ODD.with_c(4), ODD]).with(0, |v| 0.3 * v);
        masked(sample).forward_only()
    };
    RULES.into_iter().map(of).collect()
}

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

fn settle() -> Vec<Sample> {
    let of = |x: Shape| {
        let each = Shape::new(x.n, 1, 1, 1);
        let sample = Sample::new(x.to_string(), Settle { tolerance: 0.5 }, &[x, x, each, each, each]);
        sample.with(4, |v| if v > -1.0 { 1.0 } else { 0.0 }).constants(&[2, 3, 4]).forward_only()
    };
    vec![of(ODD), of(TINY), of(Shape::new(70, 1, 1, 2))]
}

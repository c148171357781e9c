//! Tensors side by side along the channels, for consumers that cannot read several sources themselves.

use super::Slice;
use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape, Var},
};

/// `y = [x0, x1, ...]` along the channels; inputs: two or more tensors `[N, H, W, Ci]` of one picture size.
/// A convolution of two sources needs no such copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Concat;

/// Sources of one dispatch: the portable tier binds eight buffers.
const SOURCES: usize = 6;

/// One dispatch: up to [`SOURCES`] tensors into `to`.
pub(super) fn join(l: &mut Lowering<'_>, sources: &[(Var, Shape)], to: Var, y: Shape) {
    let before_last = &sources[..sources.len() - 1];
    let whole = before_last.iter().all(|(_, s)| s.c.is_multiple_of(4));
    let unit = if whole { 4 } else { 1 };
    let pitch = |s: Shape| 4 * s.c4() / unit;
    let names = [
        ("end0", "pitch0"),
        ("end1", "pitch1"),
        ("end2", "pitch2"),
        ("end3", "pitch3"),
        ("end4", "pitch4"),
        ("end5", "pitch5"),
    ];
    let mut end = 0;
    let (mut ends, mut pitches): (Vec<(&'static str, Word)>, Vec<_>) = Default::default();
    for (i, (end_name, pitch_name)) in names.into_iter().enumerate() {
        let source = sources.get(i).map(|s| s.1);
        end += source.map_or(0, |s| s.c.div_ceil(unit));
        ends.push((end_name, end.into()));
        pitches.push((pitch_name, source.map_or(0, pitch).into()));
    }
    let size = y.pixels() * pitch(y);
    let params = [vec![("size", size.into()), ("pitch", pitch(y).into())], ends, pitches].concat();
    let mut variant = Variant::new("concat").feature("whole", whole);
    for (count, name) in [(3, "three"), (4, "four"), (5, "five"), (6, "six")] {
        variant = variant.feature(name, sources.len() >= count);
    }
    let mut buffers = vec![Access::Write(to)];
    buffers.extend(sources.iter().map(|s| Access::Read(s.0)));
    l.dispatch(variant, params, buffers, size);
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [x, _, ..] if inputs.iter().all(|s| s.c > 0 && s.with_c(x.c) == *x) => {
                Ok(vec![x.with_c(inputs.iter().map(|s| s.c).sum())])
            }
            _ => Err(Error::shape("concat", format!("sources must be two or more of one size: {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(0, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let mut first = 0;
        for i in 0..b.node.inputs.len() {
            let end = first + b.shape(i).c;
            if b.wants(i) {
                let dx = b.graph.apply(Slice::new(first..end), &[dy])?;
                b.give(i, dx);
            }
            first = end;
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let mut rest: Vec<(Var, Shape)> = (0..l.inputs()).map(|i| (l.input(i), l.input_shape(i))).collect();
        while rest.len() > SOURCES {
            let some: Vec<_> = rest.drain(..SOURCES).collect();
            let shape = some[0].1.with_c(some.iter().map(|s| s.1.c).sum());
            let joined = l.scratch("sources so far", shape);
            join(l, &some, joined, shape);
            rest.insert(0, (joined, shape));
        }
        let (to, y) = (l.output(0), l.output_shape(0));
        join(l, &rest, to, y);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let shape = inputs[0].shape.with_c(inputs.iter().map(|a| a.shape.c).sum());
        let pixel = |p: usize| inputs.iter().flat_map(move |a| &a.data[p * a.shape.c..(p + 1) * a.shape.c]);
        vec![Array { shape, data: (0..shape.pixels()).flat_map(pixel).copied().collect() }]
    }
}

//! A range of channels.

use std::ops::Range;

use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `y = x[..., from..to]` along the channels, or the adjoint: x set among channels of zeros. Input x
/// `[N, H, W, C]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The channels.
    pub range: Range<usize>,
    /// For the adjoint, the channels of y, of which x takes the range.
    spread: Option<usize>,
}

impl Slice {
    /// Channels `range` of x.
    pub const fn new(range: Range<usize>) -> Self {
        Self { range, spread: None }
    }

    /// A tensor of `channels` channels that holds x in `range` and zero elsewhere.
    pub const fn spread(range: Range<usize>, channels: usize) -> Self {
        Self { range, spread: Some(channels) }
    }

    /// What is added to a channel of y to find that of x.
    fn offset(&self) -> i64 {
        let first = self.range.start as i64;
        if self.spread.is_some() { -first } else { first }
    }
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let (x, range) = (inputs[0], &self.range);
        let whole = self.spread.unwrap_or(x.c);
        let fits = self.spread.is_none() || x.c == range.len();
        if range.is_empty() || range.end > whole || !fits {
            return Err(Error::shape("slice", format!("{x} does not fit channels {range:?} of {whole}")));
        }
        Ok(vec![x.with_c(self.spread.unwrap_or(range.len()))])
    }

    fn cost(&self, _: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flops: 0, bytes: 2 * outputs[0].bytes() }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let range = self.range.clone();
        let adjoint = match self.spread {
            None => Self::spread(range, b.shape(0).c),
            Some(_) => Self::new(range),
        };
        let dx = b.graph.apply(adjoint, &[dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (l.input_shape(0), l.output_shape(0));
        // A vec4 must not mix channels inside the range with others, unless those are padding.
        let to_the_end = self.range.end == self.spread.unwrap_or(x.c);
        let whole = self.range.start.is_multiple_of(4) && (self.range.end.is_multiple_of(4) || to_the_end);
        let unit = if whole { 4 } else { 1 };
        let int = |v: usize| Word::I(v as i32);
        let pitch = 4 * y.c4() / unit;
        let size = y.pixels() * pitch;
        let params = vec![
            ("size", size.into()),
            ("pitch", pitch.into()),
            ("end", int(y.c.div_ceil(unit))),
            ("x_pitch", (4 * x.c4() / unit).into()),
            ("count", int(x.c.div_ceil(unit))),
            ("offset", Word::I(self.offset() as i32 / unit as i32)),
        ];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        l.dispatch(Variant::new("slice").feature("whole", whole), params, buffers, size);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let y = x.shape.with_c(self.spread.unwrap_or(self.range.len()));
        vec![Array::from_fn(y, |n, h, w, c| {
            let seen = c as i64 + self.offset();
            if (0..x.shape.c as i64).contains(&seen) { x.at(n, h, w, seen as usize) } else { 0.0 }
        })]
    }
}

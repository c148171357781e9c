//! Quarter turns and mirror images.

use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Pictures mirrored left to right, where that is asked for, and then turned clockwise by quarters. Input x `[N, H, W, C]`;
/// an odd number of quarters gives `[N, W, H, C]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Quarters of a full turn, 0 to 3.
    pub quarters: u8,
    /// Whether left and right change places first.
    pub mirrored: bool,
}

impl Turn {
    /// The mirror image.
    pub const MIRRORED: Self = Self { quarters: 0, mirrored: true };

    /// Turned clockwise by so many quarters.
    pub const fn by(quarters: u8) -> Self {
        Self { quarters, mirrored: false }
    }

    /// What undoes it: mirror images with any turn are their own inverse.
    pub const fn inverse(self) -> Self {
        if self.mirrored { self } else { Self::by((4 - self.quarters) % 4) }
    }

    /// Row and column of x that (h, w) of the result shows.
    fn source(self, x: Shape, h: i64, w: i64) -> [i64; 2] {
        let (bottom, right) = (x.h as i64 - 1, x.w as i64 - 1);
        let [row, column] = match self.quarters {
            0 => [h, w],
            1 => [bottom - w, h],
            2 => [bottom - h, right - w],
            _ => [w, right - h],
        };
        [row, if self.mirrored { right - column } else { column }]
    }
}

impl Operator for Turn {
    fn name(&self) -> &'static str {
        "turn"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let x = inputs[0];
        if self.quarters > 3 {
            return Err(Error::shape("turn", format!("{} quarters; 3 are the most", self.quarters)));
        }
        Ok(vec![if self.quarters % 2 == 1 { Shape::new(x.n, x.w, x.h, x.c) } else { x }])
    }

    fn cost(&self, _: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flops: 0, bytes: 2 * outputs[0].bytes() }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let dx = b.graph.apply(self.inverse(), &[dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (x, y) = (l.input_shape(0), l.output_shape(0));
        let size = y.pixels() * y.c4();
        // Where the source lies is linear in the row and column of the result.
        let offset = |h, w| {
            let [row, column] = self.source(x, h, w);
            row * x.w as i64 + column
        };
        let base = offset(0, 0);
        let int = |v: i64| Word::I(v as i32);
        let params = vec![
            ("size", size.into()),
            ("c4", y.c4().into()),
            ("width", y.w.into()),
            ("height", y.h.into()),
            ("base", int(base)),
            ("down", int(offset(1, 0) - base)),
            ("across", int(offset(0, 1) - base)),
        ];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        l.dispatch(Variant::new("turn"), params, buffers, size);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let odd = self.quarters % 2 == 1;
        let s = x.shape;
        let y = if odd { Shape::new(s.n, s.w, s.h, s.c) } else { s };
        vec![Array::from_fn(y, |n, h, w, c| {
            let [row, column] = self.source(s, h as i64, w as i64);
            x.at(n, row as usize, column as usize, c)
        })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_goes_clockwise_and_all_are_undone() {
        let shape = Shape::new(1, 2, 3, 1);
        let x = Array::from_fn(shape, |_, h, w, _| (3 * h + w) as f64);
        let row = |a: &Array, h: usize| (0..a.shape.w).map(|w| a.at(0, h, w, 0)).collect::<Vec<_>>();
        let turned = &Turn::by(1).twin(std::slice::from_ref(&x))[0];
        assert_eq!([row(turned, 0), row(turned, 1), row(turned, 2)], [[3.0, 0.0], [4.0, 1.0], [5.0, 2.0]]);
        for quarters in 0..4 {
            for mirrored in [false, true] {
                let turn = Turn { quarters, mirrored };
                assert_eq!(
                    turn.inverse().twin(&turn.twin(std::slice::from_ref(&x)))[0].data,
                    x.data,
                    "{turn:?}"
                );
            }
        }
    }
}

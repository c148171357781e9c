//! Polygons and circles as pictures and masks.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Fills one polygon or circle a picture, by whole numbers alone, so that every device gets the same pixels.
///
/// Input: the figures `[N, 1, R, 2]`, pairs of whole numbers: first the number of corners (0 for a circle) and the
/// class; then the corners (x, y) in order, or the circle's middle and (radius, 0). Pixels count from the left upper
/// corner, x to the right and y down; numbers are from -8192 to 8192. Outputs: the picture, 1 inside and 0 elsewhere,
/// and the mask `[N, H, W, 1]`, the class inside and 0 elsewhere.
///
/// A pixel is inside where its middle is, which lies half way between whole numbers: for a polygon, where a line from
/// it to the right meets the border an odd number of times, a border through the middle itself not counting; for a
/// circle, up to the radius.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polygon {
    /// Height and width of the pictures.
    pub size: [usize; 2],
    /// Equal channels of the pictures, 1 to 4.
    pub channels: usize,
}

impl Polygon {
    /// Pixels a side at most, so that 32 bits hold all products.
    pub const MOST_PIXELS: usize = 4096;

    /// Whether the middle of pixel (x, y) is inside the figure whose pair number i is `pair(i)`; there are `rows`.
    fn covers(rows: usize, pair: impl Fn(usize) -> [i64; 2], x: usize, y: usize) -> bool {
        // Everything is doubled, which makes middles whole.
        let at = [2 * x as i64 + 1, 2 * y as i64 + 1];
        let corners = pair(0)[0];
        if corners <= 0 {
            let [cx, cy] = pair(1);
            let across = 2 * pair(2)[0];
            return (at[0] - 2 * cx).pow(2) + (at[1] - 2 * cy).pow(2) <= across * across;
        }
        let corners = (corners as usize).min(rows - 1);
        let met = |i: usize| {
            let ([ax, ay], [bx, by]) = (pair(1 + (i + corners - 1) % corners), pair(1 + i));
            let below = |v: i64| 2 * v > at[1];
            let side = (at[0] - 2 * ax) * (by - ay) - (at[1] - 2 * ay) * (bx - ax);
            below(ay) != below(by) && if by > ay { side < 0 } else { side > 0 }
        };
        (0..corners).filter(|i| met(*i)).count() % 2 == 1
    }
}

impl Operator for Polygon {
    fn name(&self) -> &'static str {
        "polygon"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [h, w] = self.size;
        let fits = |s: &Shape| s.h == 1 && s.w >= 3 && s.c == 2 && s.n > 0;
        let sized = [h, w].iter().all(|v| (1..=Self::MOST_PIXELS).contains(v));
        match inputs {
            [figures] if fits(figures) && sized && (1..=4).contains(&self.channels) => {
                let mask = Shape::new(figures.n, h, w, 1);
                Ok(vec![mask.with_c(self.channels), mask])
            }
            _ => Err(Error::shape(
                "polygon",
                format!(
                    "wants figures [N, 1, 3 or more, 2] for pictures of up to {} pixels a side and 1 to 4 channels, got \
                     {inputs:?} for {h}x{w} and {}",
                    Self::MOST_PIXELS,
                    self.channels
                ),
            )),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let corners = inputs.first().map_or(0, |s| s.w) as u64;
        Cost::elementwise(10 * corners, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("polygon", "whole numbers have no gradient"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (figures, mask) = (l.input_shape(0), l.output_shape(1));
        let params = vec![
            ("size", mask.pixels().into()),
            ("h", mask.h.into()),
            ("w", mask.w.into()),
            ("rows", figures.w.into()),
            ("channels", self.channels.into()),
        ];
        let buffers = vec![Access::Write(l.output(0)), Access::Write(l.output(1)), Access::Read(l.input(0))];
        l.dispatch(Variant::new("polygon"), params, buffers, mask.pixels());
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![1]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let figures = &inputs[0];
        let [h, w] = self.size;
        let mask = Array::from_fn(Shape::new(figures.shape.n, h, w, 1), |n, y, x, _| {
            let pair = |i: usize| [0, 1].map(|c| figures.at(n, 0, i, c) as i64);
            let inside = Self::covers(figures.shape.w, pair, x, y);
            if inside { figures.at(n, 0, 0, 1) } else { 0.0 }
        });
        let picture = Array::from_fn(mask.shape.with_c(self.channels), |n, y, x, _| {
            let pair = |i: usize| [0, 1].map(|c| figures.at(n, 0, i, c) as i64);
            f64::from(u8::from(Self::covers(figures.shape.w, pair, x, y)))
        });
        vec![picture, mask]
    }
}

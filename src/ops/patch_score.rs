//! How unsure a map is of each patch of a grid.

use std::ops::Range;

use super::Resize;
use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Invocations of a workgroup.
const THREADS: u32 = 256;
/// Longest side: products of a side and a number of cells are 32-bit whole numbers.
const LONGEST: usize = 1 << 15;

/// A grid of patches that cover a picture without overlap: along a side of `size` pixels patch i of n begins at
/// `floor(i size / n)`, so that patches differ by a pixel where n does not divide the side. What a tensor holds beyond `size`,
/// at the right and at the bottom, is padding and belongs to no patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchGrid {
    /// Patches along a column and along a row.
    pub cells: [usize; 2],
    /// Height and width of the picture, pixels.
    pub size: [usize; 2],
}

impl PatchGrid {
    /// Number of patches.
    pub const fn count(&self) -> usize {
        self.cells[0] * self.cells[1]
    }

    /// Pixels of patch `i` along an axis: 0 is down, 1 across.
    pub const fn span(&self, axis: usize, i: usize) -> Range<usize> {
        let (size, cells) = (self.size[axis], self.cells[axis]);
        i * size / cells..(i + 1) * size / cells
    }

    /// Height and width of the largest patch.
    pub fn largest(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.cells[axis]))
    }

    /// Height and width of the smallest patch.
    pub fn smallest(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis] / self.cells[axis])
    }

    /// Where the window of `window` pixels around patch `i` begins along an axis of `bound` pixels: the patch lies in its
    /// middle, but for patches at the border, whose windows are moved inside.
    pub fn origin(&self, axis: usize, i: usize, window: usize, bound: usize) -> usize {
        let span = self.span(axis, i);
        span.start.saturating_sub(window.saturating_sub(span.len()) / 2).min(bound.saturating_sub(window))
    }

    /// # Errors
    /// [`Error::Shape`] in the name of `op` where a patch would be empty, or the grid lies beyond `map`.
    pub(super) fn check(&self, op: &'static str, map: Shape) -> Result<()> {
        let ([rows, cols], [h, w]) = (self.cells, self.size);
        let fits = rows > 0 && cols > 0 && rows <= h && cols <= w && h <= map.h && w <= map.w;
        if !fits || map.h.max(map.w) > LONGEST || map.count() == 0 {
            let message = format!(
                "{rows}x{cols} patches of {h}x{w} pixels do not fit {map}: a patch has a pixel at least, and a side {LONGEST} \
                 at most"
            );
            return Err(Error::shape(op, message));
        }
        Ok(())
    }

    /// Members of the shader struct `Grid`.
    pub(super) fn params(&self) -> Vec<(&'static str, Word)> {
        let ([rows, cols], [h, w]) = (self.cells, self.size);
        vec![("rows", rows.into()), ("cols", cols.into()), ("h", h.into()), ("w", w.into())]
    }
}

/// The shape of a map that is seen `factor` times as large as it is stored.
///
/// # Errors
/// [`Error::Shape`] in the name of `op` for a factor of 0, or a map too large.
pub(super) fn enlarged(op: &'static str, map: Shape, factor: usize) -> Result<Shape> {
    let large = Shape { h: map.h.saturating_mul(factor), w: map.w.saturating_mul(factor), ..map };
    if factor == 0 || large.h.max(large.w) > LONGEST {
        let message = format!("{map} cannot be enlarged {factor} times: a side has 1 to {LONGEST} pixels");
        return Err(Error::shape(op, message));
    }
    Ok(large)
}

/// On the host: the map as it is seen.
pub(super) fn enlarge(map: &Array, factor: usize) -> Array {
    let to = [map.shape.h * factor, map.shape.w * factor];
    Resize::bilinear(to, false).twin(std::slice::from_ref(map)).swap_remove(0)
}

/// Operations to see so many numbers enlarged: a mix for each along its row, three for each strip between rows.
pub(super) const fn enlarging_flops(numbers: u64, factor: usize) -> u64 {
    if factor == 1 { 0 } else { 3 * numbers + 9 * numbers / factor as u64 }
}

/// Of each patch of a grid, how unsure the probabilities `[N, H, W, C]` are, 0 where all pixels are certain; output
/// `[N, rows, cols, 1]`. A pixel is as unsure as its largest probability lacks to 1; of one channel p the classes have p and
/// 1 - p, so that this is 0.5 - |p - 0.5|.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchScore {
    /// The patches.
    pub grid: PatchGrid,
    /// The patch's mean probabilities are scored, not its pixels: a patch that is half of one class and half of another then
    /// counts as unsure, however sure its pixels are (as the public code of the two-stage paper has it).
    pub of_means: bool,
    /// The probabilities are given so many times smaller along each side, and seen enlarged bilinearly ([`Resize::bilinear`] without
    /// `align_corners`) without being stored so; 1: as they are.
    pub factor: usize,
}

impl Operator for PatchScore {
    fn name(&self) -> &'static str {
        "patch_score"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [map] = inputs else {
            return Err(Error::shape("patch_score", format!("wants probabilities, got {inputs:?}")));
        };
        self.grid.check("patch_score", enlarged("patch_score", *map, self.factor)?)?;
        Ok(vec![Shape::new(map.n, self.grid.cells[0], self.grid.cells[1], 1)])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let seen = inputs[0].count() as u64 * (self.factor * self.factor) as u64;
        let flops = 2 * seen + enlarging_flops(seen, self.factor);
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("patch_score", "there is no gradient"))
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0]
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (map, made) = (l.input_shape(0), l.output_shape(0));
        let mut params = self.grid.params();
        params.extend([
            ("patches", made.pixels().into()),
            ("map_h", map.h.into()),
            ("map_w", map.w.into()),
            ("c4", map.c4().into()),
        ]);
        let variant = Variant::new("patch_score")
            .feature("binary", map.c == 1)
            .feature("of_means", self.of_means)
            .feature("wide", map.c4() > 1)
            .feature("enlarged", self.factor > 1)
            .constant("FACTOR", self.factor as u32)
            .constant("THREADS", THREADS);
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        l.dispatch(variant, params, buffers, THREADS as usize * made.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let map = &enlarge(&inputs[0], self.factor);
        let unsure = |p: &[f64]| match p {
            [p] => 1.0 - p.max(1.0 - p),
            _ => 1.0 - p.iter().copied().fold(0.0, f64::max),
        };
        let [rows, cols] = self.grid.cells;
        let scores = Array::from_fn(Shape::new(map.shape.n, rows, cols, 1), |n, row, col, _| {
            let (down, across) = (self.grid.span(0, row), self.grid.span(1, col));
            let pixels = (down.len() * across.len()) as f64;
            let seen = || down.clone().flat_map(|y| across.clone().map(move |x| (y, x)));
            let of = |y: usize, x: usize| {
                let at = map.index(n, y, x, 0);
                &map.data[at..at + map.shape.c]
            };
            if !self.of_means {
                return seen().map(|(y, x)| unsure(of(y, x))).sum::<f64>() / pixels;
            }
            let mean = |c: usize| seen().map(|(y, x)| of(y, x)[c]).sum::<f64>() / pixels;
            unsure(&(0..map.shape.c).map(mean).collect::<Vec<_>>())
        });
        vec![scores]
    }
}

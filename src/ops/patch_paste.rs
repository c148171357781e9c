//! Refined patches over a map.

use super::{
    PatchGrid,
    patch_gather::check_window,
    patch_score::{enlarge, enlarged, enlarging_flops},
};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Pixels of a row that one invocation makes where the map is not seen enlarged.
const RUN: usize = 8;

/// The map with refined patches in place of its own. Inputs: the map `[N, H, W, C]`; windows around the chosen patches,
/// refined, `[N K, height, width, C]` as [`super::PatchGather`] cuts them out; and of each patch of the grid which of
/// its picture's K it is, or -1, `[N, rows, cols, 1]`. Output: as the map, at the size it is seen at.
///
/// Without blending every pixel is of the patch it lies in. With it, pixels within `blend` of a border between two
/// patches are of both, their shares going straight from 1 to 0 across the border; what was not refined has the map's
/// value. The shares of all patches sum to 1 everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchPaste {
    /// The patches.
    pub grid: PatchGrid,
    /// Pixels on either side of a border over which patches are blended; 0: none.
    pub blend: usize,
    /// The map is given so many times smaller along each side, and seen enlarged bilinearly ([`super::Resize::bilinear`] without
    /// `align_corners`); 1: as it is.
    pub factor: usize,
}

impl PatchPaste {
    /// The patches that a pixel is of along an axis, with their shares.
    fn along(&self, axis: usize, at: usize) -> [(usize, f64); 2] {
        let (cells, size) = (self.grid.cells[axis], self.grid.size[axis]);
        let cell = ((at + 1) * cells - 1) / size;
        let (span, blend) = (self.grid.span(axis, cell), self.blend as f64);
        let before = at as f64 + 0.5 - span.start as f64;
        let after = span.end as f64 - at as f64 - 0.5;
        let (other, distance) = if before < blend && cell > 0 {
            (cell - 1, before)
        } else if after < blend && cell + 1 < cells {
            (cell + 1, after)
        } else {
            return [(cell, 1.0), (cell, 0.0)];
        };
        let share = 0.5 + 0.5 * distance / blend;
        [(cell, share), (other, 1.0 - share)]
    }
}

impl Operator for PatchPaste {
    fn name(&self) -> &'static str {
        "patch_paste"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [map, windows, ranks] = inputs else {
            let message = format!("wants a map, windows and ranks, got {inputs:?}");
            return Err(Error::shape("patch_paste", message));
        };
        let map = enlarged("patch_paste", *map, self.factor)?;
        let (window, blend) = ([windows.h, windows.w], self.blend);
        check_window("patch_paste", &self.grid, window, map)?;
        let [rows, cols] = self.grid.cells;
        let whole = windows.n > 0 && windows.n.is_multiple_of(map.n) && windows.c == map.c;
        if !whole || *ranks != Shape::new(map.n, rows, cols, 1) {
            let message = format!("{map}, {windows} and {ranks} do not fit together");
            return Err(Error::shape("patch_paste", message));
        }
        let (largest, smallest) = (self.grid.largest(), self.grid.smallest());
        for axis in [0, 1] {
            let inside = self.grid.cells[axis] == 1 || window[axis] == [map.h, map.w][axis];
            if 2 * blend > smallest[axis] || !inside && largest[axis] + 2 * blend > window[axis] {
                let message = format!(
                    "cannot blend {blend} pixels of patches of {smallest:?} to {largest:?} in windows of {window:?}: windows \
                     reach as far beyond their patch, and patches are twice as large"
                );
                return Err(Error::shape("patch_paste", message));
            }
        }
        Ok(vec![map])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let blending = (inputs[1].count() * if self.blend > 0 { 2 } else { 0 }) as u64;
        let flops = blending + enlarging_flops(outputs[0].count() as u64, self.factor);
        Cost { flops, bytes: inputs[0].bytes() + outputs[0].bytes() + inputs[1].bytes() }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("patch_paste", "a gradient is not built"))
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![2]
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (map, windows) = (l.output_shape(0), l.input_shape(1));
        let run = if self.factor > 1 { self.factor } else { RUN };
        let threads = map.n * map.h * map.w.div_ceil(run) * map.c4();
        let mut params = self.grid.params();
        params.extend([
            ("size", threads.into()),
            ("k", (windows.n / map.n).into()),
            ("window_h", windows.h.into()),
            ("window_w", windows.w.into()),
            ("map_h", map.h.into()),
            ("map_w", map.w.into()),
            ("c4", map.c4().into()),
            ("blend", (self.blend as f32).into()),
        ]);
        let variant = Variant::new("patch_paste")
            .feature("blended", self.blend > 0)
            .feature("enlarged", self.factor > 1)
            .constant("FACTOR", self.factor as u32)
            .constant("RUN", run as u32);
        let buffers = vec![
            Access::Write(l.output(0)),
            Access::Read(l.input(0)),
            Access::Read(l.input(1)),
            Access::Read(l.input(2)),
        ];
        l.dispatch(variant, params, buffers, threads);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (map, windows, ranks) = (&enlarge(&inputs[0], self.factor), &inputs[1], &inputs[2]);
        let k = windows.shape.n / map.shape.n;
        let [h, w] = self.grid.size;
        vec![Array::from_fn(map.shape, |n, y, x, c| {
            if y >= h || x >= w {
                return map.at(n, y, x, c);
            }
            let refined = |row: usize, col: usize| {
                let rank = ranks.at(n, row, col, 0);
                if rank < 0.0 {
                    return map.at(n, y, x, c);
                }
                let top = self.grid.origin(0, row, windows.shape.h, map.shape.h);
                let left = self.grid.origin(1, col, windows.shape.w, map.shape.w);
                windows.at(n * k + rank as usize, y - top, x - left, c)
            };
            let mut sum = 0.0;
            for (row, down) in self.along(0, y) {
                for (col, across) in self.along(1, x).into_iter().filter(|(_, across)| across * down > 0.0) {
                    sum += down * across * refined(row, col);
                }
            }
            sum
        })]
    }
}

//! Chosen patches of pictures as a batch.

use super::PatchGrid;
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Pixels of a row that one invocation makes.
const RUN: usize = 8;

/// The windows of `window` pixels (height, width) around chosen patches ([`PatchGrid::origin`]). Inputs: pictures
/// `[N, H, W, C]`, and which patches of each, row by row, `[N, 1, K, 1]`, read on the device. Output `[N K, height, width, C]`,
/// picture by picture; zeros for a place below 0, which is no patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchGather {
    /// The patches.
    pub grid: PatchGrid,
    /// Height and width of what is cut out, as large as a patch at least.
    pub window: [usize; 2],
}

/// # Errors
/// [`Error::Shape`] in the name of `op` where windows do not hold the patches or do not fit in the picture.
pub(super) fn check_window(
    op: &'static str,
    grid: &PatchGrid,
    [wh, ww]: [usize; 2],
    picture: Shape,
) -> Result<()> {
    grid.check(op, picture)?;
    let [h, w] = grid.largest();
    if wh < h || ww < w || wh > picture.h || ww > picture.w {
        let message = format!("windows of {wh}x{ww} do not hold patches of {h}x{w}, or not fit in {picture}");
        return Err(Error::shape(op, message));
    }
    Ok(())
}

impl Operator for PatchGather {
    fn name(&self) -> &'static str {
        "patch_gather"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [picture, places] = inputs else {
            return Err(Error::shape("patch_gather", format!("wants pictures and places, got {inputs:?}")));
        };
        check_window("patch_gather", &self.grid, self.window, *picture)?;
        if *places != Shape::new(picture.n, 1, places.w, 1) || places.w == 0 {
            let message = format!("wants places of each picture of {picture}, got {places}");
            return Err(Error::shape("patch_gather", message));
        }
        Ok(vec![Shape::new(picture.n * places.w, self.window[0], self.window[1], picture.c)])
    }

    fn cost(&self, _: &[Shape], outputs: &[Shape]) -> Cost {
        Cost { flops: 0, bytes: 2 * outputs[0].bytes() }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("patch_gather", "a gradient is not built"))
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![1]
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (picture, places, made) = (l.input_shape(0), l.input_shape(1), l.output_shape(0));
        let threads = made.n * made.h * made.w.div_ceil(RUN) * made.c4();
        let mut params = self.grid.params();
        params.extend([
            ("size", threads.into()),
            ("k", places.w.into()),
            ("window_h", made.h.into()),
            ("window_w", made.w.into()),
            ("picture_h", picture.h.into()),
            ("picture_w", picture.w.into()),
            ("c4", picture.c4().into()),
        ]);
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0)), Access::Read(l.input(1))];
        let variant = Variant::new("patch_gather").constant("RUN", RUN as u32);
        l.dispatch(variant, params, buffers, threads);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (picture, places) = (&inputs[0], &inputs[1]);
        let (k, cols, [h, w]) = (places.shape.w, self.grid.cells[1], self.window);
        let shape = Shape::new(picture.shape.n * k, h, w, picture.shape.c);
        vec![Array::from_fn(shape, |b, y, x, c| {
            let place = places.data[b];
            if place < 0.0 || place as usize >= self.grid.count() {
                return 0.0;
            }
            let (row, col) = (place as usize / cols, place as usize % cols);
            let top = self.grid.origin(0, row, h, picture.shape.h);
            let left = self.grid.origin(1, col, w, picture.shape.w);
            picture.at(b / k, top + y, left + x, c)
        })]
    }
}

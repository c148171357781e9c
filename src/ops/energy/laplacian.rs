//! Laplacian of a picture, a filter of eq 8.

use super::{around, pixel};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Lowering, Operator, Shape},
};

/// `F = sum over the neighbours that exist of (grey of neighbour - grey)`, `[N, H, W, 1]`, of pictures `[N, H, W, 1]` or
/// colour ones `[N, H, W, 3]`, whose grey is .299 red + .587 green + .114 blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laplacian;

impl Operator for Laplacian {
    fn name(&self) -> &'static str {
        "energy/laplacian"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [x] if [1, 3].contains(&x.c) => Ok(vec![x.with_c(1)]),
            _ => Err(Error::shape("laplacian", format!("wants pictures of 1 or 3 channels, got {inputs:?}"))),
        }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("laplacian", "a gradient is not built"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let params =
            vec![("pixels", x.pixels().into()), ("h", x.h.into()), ("w", x.w.into()), ("c4", x.c4().into())];
        let variant = Variant::new("energy/laplacian").feature("colour", x.c == 3);
        l.dispatch(variant, params, vec![Access::Write(l.output(0)), Access::Read(l.input(0))], x.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let grey = |n, h, w| match pixel(x, n, h, w) {
            [r, g, b] => 0.299 * r + 0.587 * g + 0.114 * b,
            one => one[0],
        };
        vec![Array::from_fn(x.shape.with_c(1), |n, h, w, _| {
            around(x.shape, h, w).map(|(_, y, x)| grey(n, y, x) - grey(n, h, w)).sum()
        })]
    }
}

//! A picture cut into square patches, and put together again.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Patches of P x P pixels that do not overlap, as rows of numbers: x `[N, H, W, C]` becomes
/// `[N, H/P, W/P, P*P*C]`, where channel `(c * P + row) * P + column` holds channel c of the pixel at that row and
/// column of the patch; or `back` the other way. P must divide H and W.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patches {
    /// Rows and columns of a patch, P.
    pub size: usize,
    /// Puts patches together to a picture.
    pub back: bool,
}

impl Patches {
    /// Cuts a picture into patches of `size` x `size` pixels.
    pub const fn cut(size: usize) -> Self {
        Self { size, back: false }
    }

    /// Puts such patches together.
    pub const fn join(size: usize) -> Self {
        Self { size, back: true }
    }

    /// The picture of two shapes, input and output.
    const fn picture(self, input: Shape, output: Shape) -> Shape {
        if self.back { output } else { input }
    }

    /// Patch and place in it of channel `c` of pixel (y, x): row, column and channel of the tensor of patches.
    const fn place(self, y: usize, x: usize, c: usize) -> [usize; 3] {
        let p = self.size;
        [y / p, x / p, (c * p + y % p) * p + x % p]
    }
}

impl Operator for Patches {
    fn name(&self) -> &'static str {
        "energy/patches"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let (p, area) = (self.size, self.size.saturating_mul(self.size));
        let [x] = inputs else {
            return Err(Error::shape("patches", format!("wants one tensor, got {inputs:?}")));
        };
        if p == 0 || x.count() == 0 {
            return Err(Error::shape("patches", format!("{x} has no patches of {p} x {p} pixels")));
        }
        if self.back {
            if !x.c.is_multiple_of(area) {
                let message = format!("{} channels of {x} are no patches of {p} x {p} pixels", x.c);
                return Err(Error::shape("patches", message));
            }
            return Ok(vec![Shape::new(x.n, x.h * p, x.w * p, x.c / area)]);
        }
        if !x.h.is_multiple_of(p) || !x.w.is_multiple_of(p) {
            let message = format!(
                "patches of {p} x {p} pixels do not cover {x} without a rest; choose a size that divides both {} and {}",
                x.h, x.w
            );
            return Err(Error::shape("patches", message));
        }
        Ok(vec![Shape::new(x.n, x.h / p, x.w / p, x.c * area)])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(0, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let dx = b.graph.apply(Self { back: !self.back, ..*self }, &[dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (from, to) = (l.input_shape(0), l.output_shape(0));
        let picture = self.picture(from, to);
        let rows = if self.back { from } else { to };
        let variant =
            Variant::new("energy/patches").feature("back", self.back).constant("SIZE", self.size as u32);
        let params = vec![
            ("size", to.vec4s().into()),
            ("w", picture.w.into()),
            ("c4", picture.c4().into()),
            ("channels", picture.c.into()),
            ("across", rows.w.into()),
            ("k4", rows.c4().into()),
        ];
        l.dispatch(variant, params, vec![Access::Write(l.output(0)), Access::Read(l.input(0))], to.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let Ok(shapes) = self.shapes(&[x.shape]) else { return Vec::new() };
        let mut y = Array::zeros(shapes[0]);
        let picture = self.picture(x.shape, y.shape);
        Array::from_fn(picture, |n, h, w, c| {
            let [row, column, channel] = self.place(h, w, c);
            if self.back {
                *y.at_mut(n, h, w, c) = x.at(n, row, column, channel);
            } else {
                *y.at_mut(n, row, column, channel) = x.at(n, h, w, c);
            }
            0.0
        });
        vec![y]
    }
}

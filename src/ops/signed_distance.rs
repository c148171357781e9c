//! Signed distance to the border of a mask.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Signed Euclidean distance of every pixel to the border of each channel's object, pixels: outside it the distance to the
/// object's nearest pixel, inside 1 less the distance to the nearest pixel that is not of it, so that the outermost pixels of
/// the object have 0; and 0 everywhere where there is no object, or nothing else. Exact: column by column, then along rows
/// (Saito and Toriwaki 1994). Input and output `[N, H, W, C]`; what is above 0.5 is of the object. It has no gradient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignedDistance {
    /// Gives 0 for channel 0, the background.
    pub skip_background: bool,
}

impl Operator for SignedDistance {
    fn name(&self) -> &'static str {
        "signed_distance"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [mask] if mask.count() > 0 => Ok(vec![*mask]),
            _ => Err(Error::shape("signed_distance", format!("wants a mask, got {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], _: &[Shape]) -> Cost {
        let mask = inputs[0];
        // Along rows every pixel looks at all of its row.
        let flops = (mask.count() * (8 * mask.w + 8)) as u64;
        Cost { flops, bytes: 9 * mask.bytes() }
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0]
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("signed_distance", "there is no gradient"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let mask = l.input_shape(0);
        let scratch = ["to the object", "to the ground"].map(|name| l.scratch(name, mask));
        let params = vec![("n", mask.n.into()), ("h", mask.h.into()), ("pitch", (mask.w * mask.c4()).into())];
        let mut buffers = scratch.map(Access::Write).to_vec();
        buffers.push(Access::Read(l.input(0)));
        let columns = mask.n * mask.w * mask.c4();
        l.dispatch(Variant::new("signed_distance/columns"), params, buffers, columns);
        let params = vec![
            ("size", mask.vec4s().into()),
            ("w", mask.w.into()),
            ("c4", mask.c4().into()),
            ("channels", mask.c.into()),
        ];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend(scratch.map(Access::Read));
        let variant = Variant::new("signed_distance/rows").feature("skip_background", self.skip_background);
        l.dispatch(variant, params, buffers, mask.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let mask = &inputs[0];
        let Shape { h, w, .. } = mask.shape;
        let y = Array::from_fn(mask.shape, |n, y, x, c| {
            if self.skip_background && c == 0 {
                return 0.0;
            }
            let is = |y: usize, x: usize| mask.at(n, y, x, c) > 0.5;
            let squared = |of: bool| {
                let there = (0..h * w).map(|i| (i / w, i % w)).filter(|(y, x)| is(*y, *x) == of);
                there.map(|(v, u)| v.abs_diff(y).pow(2) + u.abs_diff(x).pow(2)).min()
            };
            let (Some(object), Some(ground)) = (squared(true), squared(false)) else { return 0.0 };
            if is(y, x) { 1.0 - (ground as f64).sqrt() } else { (object as f64).sqrt() }
        });
        vec![y]
    }
}

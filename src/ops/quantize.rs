//! Numbers as integers of eight bits.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// How integers q of eight bits stand for real numbers: `(q - zero) * scale` (Jacob et al. 2018, eq 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Int8 {
    /// From one integer to the next.
    pub scale: f32,
    /// What stands for 0.
    pub zero: i8,
}

impl Int8 {
    /// All 256 integers over the numbers from `low` to `high`, and 0, which is always one of them: padding is exact.
    pub fn over([low, high]: [f32; 2]) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (high - low) / 255.0;
        // Nothing but zeros, or less than a scale can tell.
        if !scale.is_normal() {
            return Self { scale: 1.0, zero: 0 };
        }
        Self { scale, zero: (-128.0 - low / scale).round_ties_even() as i8 }
    }

    /// The integer for a number, as the kernels round it.
    pub fn quantized(self, v: f64) -> f64 {
        let inverse = f64::from(self.inverse());
        ((v * inverse).round_ties_even() + f64::from(self.zero)).clamp(-128.0, 127.0)
    }

    /// What kernels multiply by.
    pub(super) fn inverse(self) -> f32 {
        1.0 / self.scale
    }
}

/// `q = round(x / scale) + zero`, held to -128 to 127, ties to even. Input x `[N, H, W, C]`; the output, of the same
/// shape, is stored in [`crate::graph::Precision::I8`]. Has no gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantize {
    /// What the integers stand for.
    pub to: Int8,
}

impl Operator for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [x] if self.to.scale.is_normal() && self.to.scale > 0.0 => Ok(vec![*x]),
            _ => {
                let scale = self.to.scale;
                Err(Error::shape(
                    "quantize",
                    format!("wants x and a scale above 0, got {inputs:?} and {scale}"),
                ))
            }
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(4, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("quantize", "integers have no gradient; train in f32 and quantize what comes of it"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let params = vec![
            ("size", x.vec4s().into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("inverse", self.to.inverse().into()),
            ("zero", f32::from(self.to.zero).into()),
        ];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        l.dispatch(Variant::new("quantize"), params, buffers, x.vec4s());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        vec![inputs[0].map(|v| self.to.quantized(v))]
    }

    fn packed_outputs(&self) -> Vec<usize> {
        vec![0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_zero_and_use_all_integers() {
        let relu = Int8::over([0.0, 2.55]);
        assert_eq!((relu.zero, relu.quantized(0.0), relu.quantized(2.55)), (-128, -128.0, 127.0));
        let both = Int8::over([-1.0, 1.55]);
        assert_eq!((both.zero, both.quantized(-1.0), both.quantized(1.55)), (-28, -128.0, 127.0));
        // Numbers that are all above zero leave room for it.
        assert_eq!(Int8::over([3.0, 5.1]), Int8::over([0.0, 5.1]));
        assert_eq!(Int8::over([0.0, 0.0]), Int8 { scale: 1.0, zero: 0 });
        let negative = Int8::over([-5.1, -1.0]);
        assert_eq!((negative.zero, negative.quantized(0.0), negative.quantized(-5.1)), (127, 127.0, -128.0));
    }
}

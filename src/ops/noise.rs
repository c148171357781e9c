//! Random numbers as a tensor.

use super::random::{WORDS, key_of, random_words, words_of};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Numbers drawn uniformly from -1 to 1. Input: the raw words of the run, shaped [`WORDS`]. Each number is a
/// function of those words, the salt and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noise {
    /// Shape of the output.
    pub shape: Shape,
    /// Tells apart the uses of random numbers in a graph.
    pub salt: u32,
}

impl Operator for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [words] if *words == WORDS => Ok(vec![self.shape]),
            _ => Err(Error::shape("noise", format!("wants words of {WORDS}, got {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(2, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("noise", "random numbers have no gradient"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let y = l.output_shape(0);
        let params = vec![
            ("size", y.vec4s().into()),
            ("c4", y.c4().into()),
            ("channels", y.c.into()),
            ("salt", self.salt.into()),
        ];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0))];
        l.dispatch(Variant::new("noise"), params, buffers, y.vec4s());
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let key = key_of(words_of(&inputs[0]), self.salt);
        let (c, c4) = (self.shape.c, self.shape.c4());
        let drawn = |i: usize| {
            let word = random_words(key, (i / c * c4 + i % c / 4) as u32)[i % c % 4];
            f64::from(word >> 8) / f64::from(1 << 23) - 1.0
        };
        vec![Array { shape: self.shape, data: (0..self.shape.count()).map(drawn).collect() }]
    }
}

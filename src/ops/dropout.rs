//! Dropout, with a mask that is a function of seed, step and place.

use super::random::{WORDS, key_of, random_words, words_of};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// `y = x / (1 - p)` where an element is kept, else zero; each is dropped with probability p by itself, or each
/// picture as a whole. A network in evaluation does without this operator.
///
/// Inputs: x, and the raw words of the run, shaped [`WORDS`]. The mask is a function of those words, the
/// salt and the element's (or picture's) place; nothing is stored, and the gradient draws it again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Probability of being dropped, below 1.
    pub p: f32,
    /// Tells the dropouts of a network apart: its index among them.
    pub salt: u32,
    /// Pictures are dropped, and not elements.
    pub pictures: bool,
}

impl Dropout {
    /// Of elements, with probability `p`; `salt` is the index among the network's dropouts.
    pub const fn new(p: f32, salt: u32) -> Self {
        Self { p, salt, pictures: false }
    }

    /// Of whole pictures, with probability `p`; `salt` is the index among the network's dropouts.
    pub const fn of_pictures(p: f32, salt: u32) -> Self {
        Self { p, salt, pictures: true }
    }

    /// Words from this on keep their element.
    fn threshold(&self) -> u32 {
        (f64::from(self.p) * 2f64.powi(32)) as u32
    }

    fn scale(&self) -> f32 {
        1.0 / (1.0 - self.p)
    }
}

impl Operator for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let fail = |message: String| Err(Error::shape("dropout", message));
        if !(0.0..1.0).contains(&self.p) {
            return fail(format!("the probability must be at least 0 and below 1, not {}", self.p));
        }
        match inputs {
            [x, words] if *words == WORDS => Ok(vec![*x]),
            _ => fail(format!("wants a tensor and words of {WORDS}, got {inputs:?}")),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(1, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        if b.wants(0) {
            let words = b.input(1);
            let dx = b.graph.apply(*self, &[dy, words])?;
            b.give(0, dx);
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let y = l.output_shape(0);
        let size = y.vec4s();
        let params = vec![
            ("size", size.into()),
            ("picture", (y.h * y.w * y.c4()).into()),
            ("salt", self.salt.into()),
            ("threshold", self.threshold().into()),
            ("scale", self.scale().into()),
        ];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0)), Access::Read(l.input(1))];
        l.dispatch(Variant::new("dropout").feature("pictures", self.pictures), params, buffers, size);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let key = key_of(words_of(&inputs[1]), self.salt);
        let (c, c4) = (x.shape.c, x.shape.c4());
        let picture = x.shape.h * x.shape.w * c;
        let kept = |i: usize| {
            if self.pictures {
                return random_words(key, (i / picture) as u32)[0] >= self.threshold();
            }
            // Random words are counted in storage, which pads every pixel.
            let (pixel, channel) = (i / c, i % c);
            random_words(key, (pixel * c4 + channel / 4) as u32)[channel % 4] >= self.threshold()
        };
        let scaled = |(i, v): (usize, &f64)| if kept(i) { v * f64::from(self.scale()) } else { 0.0 };
        vec![Array { shape: x.shape, data: x.data.iter().enumerate().map(scaled).collect() }]
    }
}

//! Augmentation's gather: a picture and its target through a map of the plane.

use std::f64::consts::TAU;

use super::random::{WORDS, key_of, random_words, words_of};
use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Each pixel of the outputs looks at the place in its picture that a projective map of the plane sends it to; the
/// plane is the picture, mirrored at its borders, with its origin in the middle.
///
/// Inputs: the picture `[N, H, W, C]`; its target `[N, H, W, K]`; the moves `[N, 1, 4, 4]`, of each picture the three
/// rows of a matrix `(a, b, c, -)` that sends `(x, y, 1)`, pixels from the middle, to `(x', y', s)`, the place looked
/// at being `(x', y') / s`, and then gain, offset and deviation of the noise of the picture's values, and pixels of
/// the bend; the raw words of the run, shaped [`WORDS`]; and where `bent` a field `[N, H, W, 2]` that, times the
/// pixels of the bend, is added to x and y first. Outputs: the picture, bilinear, times gain plus offset plus
/// normal noise; and the target, nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warp {
    /// There is a field that bends the plane.
    pub bent: bool,
    /// Tells apart the uses of random numbers in a graph.
    pub salt: u32,
}

/// The place inside that a place beyond the border mirrors.
fn mirrored(i: f64, size: usize) -> usize {
    let m = (i as i64).rem_euclid(2 * size as i64) as usize;
    if m >= size { 2 * size - 1 - m } else { m }
}

impl Warp {
    /// Where output pixel (y, x) of picture n looks: row and column.
    fn source(&self, inputs: &[Array], n: usize, y: usize, x: usize) -> [f64; 2] {
        let Shape { h, w, .. } = inputs[0].shape;
        let moves = &inputs[2];
        let middle = [(w - 1) as f64 / 2.0, (h - 1) as f64 / 2.0];
        let mut at = [x as f64 - middle[0], y as f64 - middle[1]];
        if self.bent {
            let pixels = moves.at(n, 0, 3, 3);
            at.iter_mut().enumerate().for_each(|(i, v)| *v += pixels * inputs[4].at(n, y, x, i));
        }
        let row =
            |r: usize| moves.at(n, 0, r, 0) * at[0] + moves.at(n, 0, r, 1) * at[1] + moves.at(n, 0, r, 2);
        [row(1) / row(2) + middle[1], row(0) / row(2) + middle[0]]
    }
}

impl Operator for Warp {
    fn name(&self) -> &'static str {
        "warp"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [picture, target, moves, words, bend @ ..] = inputs else {
            return Err(Error::shape("warp", "wants a picture, its target, moves and words"));
        };
        let fits = target.with_c(picture.c) == *picture
            && *moves == Shape::new(picture.n, 1, 4, 4)
            && *words == WORDS
            && (!self.bent || bend == [picture.with_c(2)]);
        if !fits || picture.count() == 0 {
            return Err(Error::shape("warp", format!("{inputs:?} do not fit together")));
        }
        Ok(vec![*picture, *target])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(40, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        match b.wants(0) {
            true => Err(Error::shape("warp", "a gradient is not built")),
            false => Ok(()),
        }
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (picture, target) = (l.input_shape(0), l.input_shape(1));
        let int = |v: usize| Word::I(v as i32);
        let params = vec![
            ("size", picture.pixels().into()),
            ("h", int(picture.h)),
            ("w", int(picture.w)),
            ("c4", picture.c4().into()),
            ("channels", picture.c.into()),
            ("k4", target.c4().into()),
            ("salt", self.salt.into()),
        ];
        let mut buffers = vec![Access::Write(l.output(0)), Access::Write(l.output(1))];
        buffers.extend((0..4 + usize::from(self.bent)).map(|i| Access::Read(l.input(i))));
        l.dispatch(Variant::new("warp").feature("bent", self.bent), params, buffers, picture.pixels());
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        (1..4 + usize::from(self.bent)).collect()
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![1]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (picture, target, moves) = (&inputs[0], &inputs[1], &inputs[2]);
        let Shape { h, w, .. } = picture.shape;
        let key = key_of(words_of(&inputs[3]), self.salt);
        let c4 = picture.shape.c4();
        let normal = |pixel: usize, c: usize| {
            let i = 2 * (pixel * c4 + c / 4) as u32;
            let [near, turn] = [i, i + 1].map(|i| f64::from(random_words(key, i)[c % 4] >> 8));
            let whole = f64::from(1 << 24);
            (-2.0 * ((near + 0.5) / whole).ln()).sqrt() * (TAU * turn / whole).cos()
        };
        let made = Array::from_fn(picture.shape, |n, y, x, c| {
            let [sy, sx] = self.source(inputs, n, y, x);
            let seen = |dy: f64, dx: f64| {
                let (row, column) = (mirrored(sy.floor() + dy, h), mirrored(sx.floor() + dx, w));
                picture.at(n, row, column, c)
            };
            let (py, px) = (sy - sy.floor(), sx - sx.floor());
            let above = seen(0.0, 0.0) * (1.0 - px) + seen(0.0, 1.0) * px;
            let below = seen(1.0, 0.0) * (1.0 - px) + seen(1.0, 1.0) * px;
            let [gain, offset, noise] = [0, 1, 2].map(|i| moves.at(n, 0, 3, i));
            let value = above * (1.0 - py) + below * py;
            value * gain + offset + noise * normal((n * h + y) * w + x, c)
        });
        let made_target = Array::from_fn(target.shape, |n, y, x, k| {
            let [sy, sx] = self.source(inputs, n, y, x).map(|v| (v + 0.5).floor());
            target.at(n, mirrored(sy, h), mirrored(sx, w), k)
        });
        vec![made, made_target]
    }
}

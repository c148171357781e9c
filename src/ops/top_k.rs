//! The patches with the highest scores.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Scores of a picture at most: each is compared with all.
const MOST: usize = 1 << 14;

/// Of each picture's scores `[N, rows, cols, 1]` the `k` highest, the highest first, of equal ones the first. Outputs: their
/// places, row by row, `[N, 1, k, 1]`, and of every place its rank among them, or -1, `[N, rows, cols, 1]`. Where fewer scores
/// count, the rest of the places are -1. What is no number counts as the highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopK {
    /// How many.
    pub k: usize,
    /// Lower scores do not count.
    pub at_least: Option<f32>,
}

impl TopK {
    /// The least score that counts. Both zeros count where zero does.
    fn least(&self) -> Option<f32> {
        self.at_least.map(|least| if least == 0.0 { -0.0 } else { least })
    }
}

/// An order of all f32, what is no number the highest, in which of numbers equal bits alone are equal; as in the shader.
fn order(score: f64) -> u32 {
    let bits = (score as f32).to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        return u32::MAX;
    }
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

impl Operator for TopK {
    fn name(&self) -> &'static str {
        "top_k"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [s] if s.c == 1 && s.h * s.w <= MOST && self.k > 0 && self.k <= s.h * s.w => {
                Ok(vec![Shape::new(s.n, 1, self.k, 1), *s])
            }
            _ => {
                let message = format!("{} of {MOST} scores at most, in one channel; got {inputs:?}", self.k);
                Err(Error::shape("top_k", message))
            }
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let scores = inputs[0];
        Cost::elementwise((2 * scores.h * scores.w) as u64, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("top_k", "places have no gradient"))
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0, 1]
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let scores = l.input_shape(0);
        let params = vec![
            ("size", scores.pixels().into()),
            ("places", (scores.h * scores.w).into()),
            ("k", self.k.into()),
            ("at_least", self.least().unwrap_or(0.0).into()),
        ];
        let variant = Variant::new("top_k").feature("limited", self.at_least.is_some());
        let buffers = vec![Access::Write(l.output(0)), Access::Write(l.output(1)), Access::Read(l.input(0))];
        l.dispatch(variant, params, buffers, scores.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let scores = &inputs[0];
        let Shape { n, h, w, .. } = scores.shape;
        let mut chosen = Array::from_fn(Shape::new(n, 1, self.k, 1), |_, _, _, _| -1.0);
        let mut ranks = Array::from_fn(scores.shape, |_, _, _, _| -1.0);
        for (picture, scores) in scores.data.chunks_exact(h * w).enumerate() {
            let mut places: Vec<usize> = (0..h * w).collect();
            places.sort_by_key(|at| (std::cmp::Reverse(order(scores[*at])), *at));
            let counts =
                |at: &usize| self.least().is_none_or(|least| order(scores[*at]) >= order(f64::from(least)));
            for (rank, at) in places.into_iter().filter(counts).take(self.k).enumerate() {
                chosen.data[picture * self.k + rank] = at as f64;
                ranks.data[picture * h * w + at] = rank as f64;
            }
        }
        vec![chosen, ranks]
    }
}

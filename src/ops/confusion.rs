//! Confusion counts.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Pixels of a picture at most: counts are f32.
const MOST_PIXELS: usize = 1 << 24;

/// Of each picture, how many pixels of each class of the truth are predicted as each class. Inputs: probabilities
/// `[N, H, W, C]` and classes as numbers `[N, H, W, 1]`. Output `[N, 1, K, K]`, K = max(C, 2): rows of truth, channels
/// of prediction. One channel is class 1 from `threshold` up; of several the most probable counts, of equal ones the
/// first. A truth that is no class counts nowhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConfusionCounts {
    /// Probability from which a pixel is class 1, where there is one channel.
    pub threshold: f32,
}

impl ConfusionCounts {
    /// Classes that are counted at most: a workgroup holds a square of them.
    pub const MOST_CLASSES: usize = 32;

    fn made(p: Shape) -> Shape {
        let classes = p.c.max(2);
        Shape::new(p.n, 1, classes, classes)
    }
}

impl Operator for ConfusionCounts {
    fn name(&self) -> &'static str {
        "confusion"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let [p, truth] = inputs else {
            return Err(Error::shape("confusion", format!("wants probabilities and truth, got {inputs:?}")));
        };
        if *truth != p.with_c(1) || p.c > Self::MOST_CLASSES || p.h * p.w > MOST_PIXELS {
            let message = format!(
                "wants up to {} classes and {MOST_PIXELS} pixels a picture, and a truth of one channel, \
                 got {p} and {truth}",
                Self::MOST_CLASSES
            );
            return Err(Error::shape("confusion", message));
        }
        Ok(vec![Self::made(*p)])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(1, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("confusion", "counts have no gradient"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (p, made) = (l.input_shape(0), l.output_shape(0));
        let params = vec![
            ("pictures", p.n.into()),
            ("pixels", (p.h * p.w).into()),
            ("c4", p.c4().into()),
            ("channels", p.c.into()),
            ("classes", made.c.into()),
            ("k4", made.c4().into()),
            ("threshold", self.threshold.into()),
        ];
        let variant = Variant::new("confusion")
            .feature("binary", p.c == 1)
            .constant("CELLS", (made.w * made.c4() * 4) as u32);
        let buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(0)), Access::Read(l.input(1))];
        l.dispatch(variant, params, buffers, 64 * p.n);
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (p, truth) = (&inputs[0], &inputs[1]);
        let mut counts = Array::zeros(Self::made(p.shape));
        let (classes, pixels) = (counts.shape.c, p.shape.h * p.shape.w);
        for (i, (chances, truth)) in p.data.chunks_exact(p.shape.c).zip(&truth.data).enumerate() {
            let class = match chances {
                [one] => usize::from(*one >= f64::from(self.threshold)),
                _ => chances
                    .iter()
                    .enumerate()
                    .fold(0, |best, (c, v)| if *v > chances[best] { c } else { best }),
            };
            let truth = *truth as usize;
            if truth < classes {
                counts.data[(i / pixels * classes + truth) * classes + class] += 1.0;
            }
        }
        vec![counts]
    }
}

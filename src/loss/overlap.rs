//! Dice, Tversky and focal Tversky: losses of the overlap between prediction and target.

use super::{Link, Scope, check_pair, counts::SoftCounts, scale_by_upstream};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// How the losses of the classes become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClassReduction {
    /// Their mean.
    #[default]
    Mean,
    /// Their sum, as the papers write it.
    Sum,
}

/// Which pixels a class is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sides {
    /// Its own.
    #[default]
    Inside,
    /// Its own, and all others as a class beside it: what the sum over the classes is where one probability stands for
    /// two classes.
    Both,
    /// Both, in the two fractions of two-class Dice.
    TwoClassDice,
}

/// Exponent of a focal loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Focus {
    /// Exponent of `1 - T`.
    pub gamma: f32,
    /// Least value of `1 - T`: below 1 the exponent gives an infinite slope at 0. No slope under it.
    pub least: f32,
}

/// One minus the Tversky index of each class, `T = (TP + s) / (TP + alpha FP + beta FN + s)`, with the soft
/// counts `TP = sum p g`, `FP = sum p (1 - g)`, `FN = sum (1 - p) g`; where `focus` is set, to its power.
///
/// Tversky and focal Tversky are equations 11 and 14 of the recurrent residual attention U-Net paper (from
/// Salehi et al. 2017 and Abraham and Khan 2019), with the smoothing term of their public code. Dice is
/// `alpha = beta = 1/2` with half its smoothing: `1 - (2TP + s') / (sum p + sum g + s')`.
///
/// Of [`Sides::Both`] what is outside a class is one more, in which FP and FN change places: the sum of `1 - T` that the
/// paper minimises before equation 12, whose index it leaves out, taken over nucleus and not.
///
/// [`Sides::TwoClassDice`] is equation 9 of the same paper (from Sudre et al. 2017):
/// `1 - (TP + s) / (2TP + FP + FN + s) - (TN + s) / (2TN + FP + FN + s)`, which ends near 0 as each fraction ends
/// near 1/2; alpha and beta are then not used.
///
/// Inputs: logits `[N,H,W,C]`, target of that shape, 0 to 1 (one-hot over the channels for softmax).
/// Outputs: the loss (a scalar), and its gradient by the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Weight of false positives.
    pub alpha: f32,
    /// Weight of false negatives.
    pub beta: f32,
    /// Added above and below the fraction line, pixels.
    pub smooth: f32,
    /// Which pixels count.
    pub sides: Sides,
    /// Power of the loss of a class.
    pub focus: Option<Focus>,
    /// What is summed over.
    pub scope: Scope,
    /// How probabilities are made.
    pub link: Link,
    /// How classes are joined.
    pub class_reduction: ClassReduction,
    /// Whether channel 0 counts.
    pub include_background: bool,
}

impl Overlap {
    /// Tversky loss over the batch, sigmoid, mean over all classes.
    pub const fn tversky(alpha: f32, beta: f32, smooth: f32) -> Self {
        Self {
            alpha,
            beta,
            smooth,
            sides: Sides::Inside,
            focus: None,
            scope: Scope::Batch,
            link: Link::Sigmoid,
            class_reduction: ClassReduction::Mean,
            include_background: true,
        }
    }

    /// Dice loss, `1 - (2TP + smooth) / (sum p + sum g + smooth)`; the rest as [`Self::tversky`].
    pub const fn dice(smooth: f32) -> Self {
        Self::tversky(0.5, 0.5, 0.5 * smooth)
    }

    /// Two-class Dice loss with `eps` above and below both fraction lines; the rest as [`Self::tversky`].
    pub const fn two_class_dice(eps: f32) -> Self {
        Self { sides: Sides::TwoClassDice, ..Self::tversky(0.0, 0.0, eps) }
    }

    /// Focal Tversky loss, `max(1 - T, 1e-7)^gamma`; the rest as [`Self::tversky`].
    pub const fn focal_tversky(alpha: f32, beta: f32, gamma: f32, smooth: f32) -> Self {
        Self { focus: Some(Focus { gamma, least: 1e-7 }), ..Self::tversky(alpha, beta, smooth) }
    }

    const fn first_class(&self) -> usize {
        if self.include_background { 0 } else { 1 }
    }

    /// Factor of the loss of one group and class.
    fn weight(&self, x: Shape) -> f64 {
        let classes = match self.class_reduction {
            ClassReduction::Mean if self.sides == Sides::Both => 2 * (x.c - self.first_class()),
            ClassReduction::Mean => x.c - self.first_class(),
            ClassReduction::Sum => 1,
        };
        1.0 / (self.scope.groups(x) * classes) as f64
    }

    /// Value of a class and its derivatives by a probability where the target is 1 and where it is 0.
    fn class_twin(&self, [hits, extra, missing, neither]: [f64; 4]) -> [f64; 3] {
        if self.sides == Sides::TwoClassDice {
            let (eps, wrong) = (f64::from(self.smooth), extra + missing);
            let [yes, no] = [hits, neither].map(|right| (2.0 * right + wrong + eps).max(1e-30));
            let value = 0.5 * (wrong - eps) * (1.0 / yes + 1.0 / no);
            let by_hit = -(hits + wrong) / (yes * yes) - (neither + eps) / (no * no);
            let by_extra = (hits + eps) / (yes * yes) + (neither + wrong) / (no * no);
            return [value, by_hit, by_extra];
        }
        let inside = self.tversky_twin(hits, extra, missing);
        if self.sides == Sides::Inside {
            return inside;
        }
        // Of what is outside, p and g are one less what they are, and where g was 1 it is 0.
        let outside = self.tversky_twin(neither, missing, extra);
        [inside[0] + outside[0], inside[1] - outside[2], inside[2] - outside[1]]
    }

    /// As [`Self::class_twin`] by the class's own pixels alone.
    fn tversky_twin(&self, hits: f64, extra: f64, missing: f64) -> [f64; 3] {
        let (alpha, beta, smooth) = (f64::from(self.alpha), f64::from(self.beta), f64::from(self.smooth));
        let whole = (hits + alpha * extra + beta * missing + smooth).max(1e-30);
        let right = hits + smooth;
        let value = (alpha * extra + beta * missing) / whole;
        let by_hit = -(whole - right * (1.0 - beta)) / (whole * whole);
        let by_extra = alpha * right / (whole * whole);
        let Some(Focus { gamma, least }) = self.focus else { return [value, by_hit, by_extra] };
        let (gamma, least) = (f64::from(gamma), f64::from(least));
        let slope = if value > least { gamma * value.powf(gamma - 1.0) } else { 0.0 };
        [value.max(least).powf(gamma), slope * by_hit, slope * by_extra]
    }
}

impl Operator for Overlap {
    fn name(&self) -> &'static str {
        "overlap"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let shapes = check_pair(self.name(), inputs)?;
        if inputs[0].c <= self.first_class() {
            let message = "has only the background channel, which this loss leaves out";
            return Err(Error::shape(self.name(), format!("{} {message}", inputs[0])));
        }
        Ok(shapes)
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(40, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        scale_by_upstream(self.name(), b)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let all = self.sides != Sides::Inside;
        let counts = SoftCounts::new(x, self.scope, self.link, all);
        let (groups, shares) = (counts.groups, counts.shares);
        let partial = counts.sum(l);

        let slopes = l.scratch("slopes", Shape::new(groups, 1, 2, x.c));
        let focus = self.focus.unwrap_or(Focus { gamma: 1.0, least: 0.0 });
        let params = vec![
            ("groups", groups.into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("shares", shares.into()),
            ("first", self.first_class().into()),
            ("weight", (self.weight(x) as f32).into()),
            ("alpha", self.alpha.into()),
            ("beta", self.beta.into()),
            ("smoothing", self.smooth.into()),
            ("gamma", focus.gamma.into()),
            ("least", focus.least.into()),
        ];
        let variant = Variant::new("loss/overlap_fold")
            .feature("focal", self.focus.is_some())
            .feature("neither", all)
            .feature("two_class_dice", self.sides == Sides::TwoClassDice)
            .constant("SUMS", counts.sums as u32);
        let buffers = vec![Access::Write(l.output(0)), Access::Write(slopes), Access::Read(partial)];
        l.dispatch(variant, params, buffers, 64);
        counts.differentiate(l, slopes);
        Ok(())
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![0, 1]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, g) = (&inputs[0], &inputs[1]);
        let p = self.link.probabilities(x);
        let (c, groups, weight) = (x.shape.c, self.scope.groups(x.shape), self.weight(x.shape));
        let per_group = x.shape.count() / groups;
        let mut loss = 0.0;
        // Derivative by the probabilities.
        let mut slopes = Array::zeros(x.shape);
        for group in 0..groups {
            for class in self.first_class()..c {
                let at = || (group * per_group + class..(group + 1) * per_group).step_by(c);
                let sum = |f: fn(f64, f64) -> f64| at().map(|i| f(p.data[i], g.data[i])).sum();
                let [value, by_hit, by_extra] = self.class_twin([
                    sum(|p, g| p * g),
                    sum(|p, g| p * (1.0 - g)),
                    sum(|p, g| (1.0 - p) * g),
                    sum(|p, g| (1.0 - p) * (1.0 - g)),
                ]);
                loss += weight * value;
                at().for_each(|i| {
                    slopes.data[i] = weight * (g.data[i] * by_hit + (1.0 - g.data[i]) * by_extra);
                });
            }
        }
        self.link.by_logits(&mut slopes, &p);
        vec![Array { shape: Shape::SCALAR, data: vec![loss] }, slopes]
    }
}

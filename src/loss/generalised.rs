//! Generalised Dice, and its penalised forms.

use super::{Link, Scope, check_pair, counts::SoftCounts, scale_by_upstream};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// How much a class counts, by the number of its pixels in the target, `n`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ClassWeighting {
    /// All alike.
    None,
    /// `1 / n^2`; a class that is absent takes the largest weight of those that are there.
    #[default]
    InverseSquare,
    /// `1 / (n + eps)^2`. A small eps lets an absent class outweigh all others: the loss then stays at 1, almost
    /// without a gradient.
    InverseSquareEps(f32),
}

/// Which function of generalised Dice is meant by its penalised form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PenaltyForm {
    /// `L / (1 + k (1 - L))`, as equation 22 of the energy-recurrency paper prints it: flat where nearly right.
    #[default]
    Printed,
    /// `1 - (1 - L) / (1 + k L)`, as the public code of EfficientUNet++ has it: steep where nearly right.
    Silva,
}

/// The penalty of a generalised Dice loss L.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Penalty {
    /// Its strength; 0 leaves L as it is.
    pub k: f32,
    /// Its form.
    pub form: PenaltyForm,
}

/// `L = 1 - (2 sum_l w_l sum g p + s) / (sum_l w_l sum (g + p) + s)`, over the classes l with their weights w (Sudre et
/// al. 2017; equations 21 and 23 of the paper), and its penalised forms (equation 22).
///
/// Of a softmax each channel is a class; one sigmoid stands for two, what is inside and what is outside.
///
/// Inputs: logits `[N,H,W,C]`, target of that shape, 0 to 1 (one-hot over the channels for softmax).
/// Outputs: the loss (a scalar), and its gradient by the logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GeneralisedDice {
    /// Weights of the classes.
    pub weighting: ClassWeighting,
    /// Added above and below the fraction line, in weighted pixels.
    pub smooth: f32,
    /// Where it is penalised, how.
    pub penalty: Option<Penalty>,
    /// What is summed over before dividing; counts of pixels for the weights, too.
    pub scope: Scope,
    /// How probabilities are made.
    pub link: Link,
    /// Whether channel 0 of a softmax counts.
    pub include_background: bool,
}

impl GeneralisedDice {
    /// Of a softmax, each picture by itself, without smoothing or penalty.
    pub const fn new(weighting: ClassWeighting) -> Self {
        Self {
            weighting,
            smooth: 0.0,
            penalty: None,
            scope: Scope::Image,
            link: Link::Softmax,
            include_background: true,
        }
    }

    const fn first_class(&self) -> usize {
        if self.include_background { 0 } else { 1 }
    }

    /// The weights of classes with so many pixels.
    fn weights(&self, pixels: &[f64]) -> Vec<f64> {
        let of = |n: &f64| match self.weighting {
            ClassWeighting::None => 1.0,
            ClassWeighting::InverseSquare => (n * n).recip(),
            ClassWeighting::InverseSquareEps(eps) => (n + f64::from(eps)).powi(-2),
        };
        let mut all: Vec<f64> = pixels.iter().map(of).collect();
        let largest = all.iter().copied().filter(|w| w.is_finite()).fold(0.0, f64::max);
        let largest = if largest > 0.0 { largest } else { 1.0 };
        all.iter_mut().filter(|w| !w.is_finite()).for_each(|w| *w = largest);
        all
    }

    /// Loss of a group by hits, false positives and false negatives of its classes, with each class's derivative by a
    /// probability where the target is 1 and where it is 0.
    fn group_twin(&self, classes: &[[f64; 3]]) -> (f64, Vec<[f64; 2]>) {
        let pixels: Vec<f64> = classes.iter().map(|[hits, _, missing]| hits + missing).collect();
        let weights = self.weights(&pixels);
        let sum = |f: fn(&[f64; 3]) -> f64| classes.iter().zip(&weights).map(|(c, w)| w * f(c)).sum::<f64>();
        let smooth = f64::from(self.smooth);
        let right = 2.0 * sum(|[hits, ..]| *hits) + smooth;
        let wrong = sum(|[_, extra, missing]| extra + missing);
        let whole = (right + wrong).max(1e-30);
        let (score, dice) = (right / whole, wrong / whole);
        let (value, slope) = match self.penalty {
            None => (dice, 1.0),
            Some(Penalty { k, form }) => {
                let k = f64::from(k);
                let bent = 1.0 + k * if form == PenaltyForm::Printed { score } else { dice };
                let value = if form == PenaltyForm::Printed { dice } else { (1.0 + k) * dice };
                (value / bent, (1.0 + k) / (bent * bent))
            }
        };
        let of = |w: &f64| [-slope * w * (1.0 + dice) / whole, slope * w * score / whole];
        (value, weights.iter().map(of).collect())
    }
}

impl Operator for GeneralisedDice {
    fn name(&self) -> &'static str {
        "generalised_dice"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let shapes = check_pair(self.name(), inputs)?;
        let (x, fail) =
            (inputs[0], |m: &str| Err(Error::shape("generalised_dice", format!("{} {m}", inputs[0]))));
        match self.link {
            Link::Sigmoid if x.c > 1 => {
                fail("has several channels, which must be of a softmax; one may be a sigmoid")
            }
            Link::Softmax if x.c <= self.first_class() => {
                fail("has only the background channel, which this loss leaves out")
            }
            _ => Ok(shapes),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(40, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        scale_by_upstream(self.name(), b)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let sides = self.link == Link::Sigmoid;
        let counts = SoftCounts::new(x, self.scope, self.link, sides);
        let partial = counts.sum(l);
        let slopes = l.scratch("slopes", Shape::new(counts.groups, 1, 2, x.c));
        let (eps, weighting) = match self.weighting {
            ClassWeighting::None => (0.0, "alike"),
            ClassWeighting::InverseSquare => (0.0, "inverse_square"),
            ClassWeighting::InverseSquareEps(eps) => (eps, "inverse_square_eps"),
        };
        let silva = self.penalty.is_some_and(|p| p.form == PenaltyForm::Silva);
        let params = vec![
            ("groups", counts.groups.into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("shares", counts.shares.into()),
            ("first", if sides { 0 } else { self.first_class() }.into()),
            ("smoothing", self.smooth.into()),
            ("eps", eps.into()),
            ("k", self.penalty.map_or(0.0, |p| p.k).into()),
        ];
        let variant = Variant::new("loss/generalised_fold")
            .feature(weighting, true)
            .feature("neither", sides)
            .feature("silva", silva)
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
        let (c, groups) = (x.shape.c, self.scope.groups(x.shape));
        let per_group = x.shape.count() / groups;
        let share = 1.0 / groups as f64;
        let mut loss = 0.0;
        let mut slopes = Array::zeros(x.shape);
        for group in 0..groups {
            let at = |class: usize| (group * per_group + class..(group + 1) * per_group).step_by(c);
            let sum = |class: usize, f: fn(f64, f64) -> f64| {
                at(class).map(|i| f(p.data[i], g.data[i])).sum::<f64>()
            };
            let counts = |class: usize| {
                [sum(class, |p, g| p * g), sum(class, |p, g| p * (1.0 - g)), sum(class, |p, g| (1.0 - p) * g)]
            };
            if self.link == Link::Sigmoid {
                let [hits, extra, missing] = counts(0);
                // Of what is outside, p and g are one less what they are.
                let outside = [sum(0, |p, g| (1.0 - p) * (1.0 - g)), missing, extra];
                let (value, by) = self.group_twin(&[[hits, extra, missing], outside]);
                loss += share * value;
                let [by_hit, by_extra] = [by[0][0] - by[1][1], by[0][1] - by[1][0]];
                at(0).for_each(|i| {
                    slopes.data[i] = share * (g.data[i] * by_hit + (1.0 - g.data[i]) * by_extra);
                });
                continue;
            }
            let classes: Vec<usize> = (self.first_class()..c).collect();
            let (value, by) =
                self.group_twin(&classes.iter().map(|class| counts(*class)).collect::<Vec<_>>());
            loss += share * value;
            for (class, [by_hit, by_extra]) in classes.into_iter().zip(by) {
                at(class).for_each(|i| {
                    slopes.data[i] = share * (g.data[i] * by_hit + (1.0 - g.data[i]) * by_extra);
                });
            }
        }
        self.link.by_logits(&mut slopes, &p);
        vec![Array { shape: Shape::SCALAR, data: vec![loss] }, slopes]
    }
}

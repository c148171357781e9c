//! Losses by name, and weighted sums of them.

use super::{
    Bce, Boundary, ClassReduction, ClassWeighting, Consistency, CrossEntropy, Edge, Focus, GeneralisedDice,
    Link, Overlap, Penalty, PenaltyForm, Scope, Sides, SoftmaxFocal,
};
use crate::{
    Error, Result,
    graph::{Graph, Shape, Var},
    ops::{Binary, BinaryKind, add},
};

/// One loss.
#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// Cross-entropy of sigmoids: plain, weighted or focal.
    Bce(Bce),
    /// Cross-entropy of a softmax, with a weight for each class, or none.
    CrossEntropy(Vec<f32>),
    /// Focal loss of a softmax.
    SoftmaxFocal(SoftmaxFocal),
    /// Dice, Tversky or focal Tversky.
    Overlap(Overlap),
    /// Generalised Dice, penalised or not.
    GeneralisedDice(GeneralisedDice),
    /// By how far from its border a class is seen.
    Boundary(Boundary),
    /// By the edges of probabilities and truth.
    Edge(Edge),
    /// How alike two views of a picture are taken.
    Consistency(Consistency),
}

/// A weighted sum of losses, ready to be put into a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct LossSpec {
    /// Weight and loss.
    pub terms: Vec<(f32, Loss)>,
}

impl From<Loss> for LossSpec {
    fn from(loss: Loss) -> Self {
        Self { terms: vec![(1.0, loss)] }
    }
}

/// What a named loss is built from; each loss takes what it knows.
#[derive(Clone, Debug, PartialEq)]
pub struct LossOptions {
    /// Tversky: weight of false positives. Focal: weight of what should be 1.
    pub alpha: f32,
    /// Tversky: weight of false negatives. Weighted cross-entropy: weight of what should be 1.
    pub beta: f32,
    /// Focal Tversky: exponent of `1 - T`. Focal: exponent of what a probability lacks.
    pub gamma: f32,
    /// Focal Tversky: least value of `1 - T`.
    pub least: f32,
    /// Dice, Tversky: what is added above and below the fraction line, pixels; generalised Dice: weighted pixels.
    pub smooth: f32,
    /// Dice, Tversky: what is summed over before dividing.
    pub scope: Scope,
    /// How probabilities are made. The losses named after cross-entropy know one way alone.
    pub link: Link,
    /// Dice, Tversky: how the losses of the classes are joined.
    pub class_reduction: ClassReduction,
    /// Dice, Tversky: whether what is outside a class is one more.
    pub both_sides: bool,
    /// Dice, Tversky: whether channel 0 counts.
    pub include_background: bool,
    /// Cross-entropy of a softmax: a weight for each class, or none.
    pub class_weights: Vec<f32>,
    /// Generalised Dice: how much a class counts.
    pub class_weighting: ClassWeighting,
    /// Penalised generalised Dice: the penalty.
    pub penalty: Penalty,
}

impl Default for LossOptions {
    fn default() -> Self {
        Self {
            alpha: 0.3,
            beta: 0.7,
            gamma: 0.75,
            least: 1e-7,
            smooth: 1.0,
            scope: Scope::Batch,
            link: Link::Sigmoid,
            class_reduction: ClassReduction::Mean,
            both_sides: false,
            include_background: true,
            class_weights: Vec::new(),
            class_weighting: ClassWeighting::default(),
            penalty: Penalty { k: 0.75, form: PenaltyForm::default() },
        }
    }
}

impl LossOptions {
    fn overlap(&self, overlap: Overlap) -> LossSpec {
        let Self { scope, link, class_reduction, include_background, .. } = *self;
        let sides = match overlap.sides {
            Sides::Inside if self.both_sides => Sides::Both,
            other => other,
        };
        Loss::Overlap(Overlap { scope, link, class_reduction, sides, include_background, ..overlap }).into()
    }

    fn generalised(&self, penalty: Option<Penalty>) -> LossSpec {
        let Self { smooth, scope, link, include_background, class_weighting: weighting, .. } = *self;
        let op = GeneralisedDice { weighting, smooth, penalty, scope, link, include_background };
        Loss::GeneralisedDice(op).into()
    }

    fn focal(&self, one_vs_all: bool) -> LossSpec {
        let Self { alpha, gamma, .. } = *self;
        match self.link {
            Link::Sigmoid => Loss::Bce(Bce::focal(alpha, gamma)).into(),
            Link::Softmax => Loss::SoftmaxFocal(SoftmaxFocal { alpha, gamma, one_vs_all }).into(),
        }
    }

    /// Settings that this loss cannot use, in words.
    fn unfit(&self, name: &str) -> Option<String> {
        let finite = |v: f32, fits: bool| v.is_finite() && fits;
        let positive = |v: f32| finite(v, v > 0.0);
        let share = |v: f32| finite(v, (0.0..=1.0).contains(&v));
        let not_negative = |v: f32| finite(v, v >= 0.0);
        let (fits, wants) = match name {
            _ if self.both_sides && self.link == Link::Softmax => {
                (false, "sigmoids for both_sides: of a softmax the background is a class as it is")
            }
            "bce" | "weighted_bce" | "bce_dice" if self.link == Link::Softmax => {
                (false, "sigmoids, not a softmax")
            }
            "cross_entropy" if self.link == Link::Sigmoid => (false, "a softmax, not sigmoids"),
            "focal_true_class" if self.link == Link::Sigmoid => (false, "a softmax, not sigmoids"),
            "cross_entropy" => {
                let any = self.class_weights.is_empty() || self.class_weights.iter().any(|w| *w > 0.0);
                let all = self.class_weights.iter().all(|w| not_negative(*w));
                (any && all, "class weights of 0 or more, and one above 0")
            }
            "weighted_bce" => (share(self.beta), "a beta of 0 to 1"),
            "focal" | "focal_true_class" => {
                (share(self.alpha) && not_negative(self.gamma), "an alpha of 0 to 1 and a gamma of 0 or more")
            }
            "focal_dice" => (
                share(self.alpha) && not_negative(self.gamma) && not_negative(self.smooth),
                "an alpha of 0 to 1, gamma and smooth of 0 or more",
            ),
            "gdl" | "pgdl" | "total" => {
                let eps = match self.class_weighting {
                    ClassWeighting::InverseSquareEps(eps) => positive(eps),
                    _ => true,
                };
                let penalty = name == "gdl" || not_negative(self.penalty.k);
                let focal = name != "total" || (share(self.alpha) && not_negative(self.gamma));
                let wants =
                    "smooth, penalty and gamma of 0 or more, a weight_eps above 0 and an alpha of 0 to 1";
                (not_negative(self.smooth) && eps && penalty && focal, wants)
            }
            "tversky" => (
                [self.alpha, self.beta, self.smooth].into_iter().all(not_negative),
                "alpha, beta and smooth of 0 or more",
            ),
            "focal_tversky" => (
                [self.alpha, self.beta, self.smooth].into_iter().all(not_negative)
                    && [self.gamma, self.least].into_iter().all(positive),
                "alpha, beta and smooth of 0 or more and a gamma above 0",
            ),
            _ => (not_negative(self.smooth), "a smooth of 0 or more"),
        };
        (!fits).then(|| format!("the loss {name} wants {wants}; got {self:?}"))
    }
}

impl LossSpec {
    /// The names that [`Self::named`] knows.
    pub const NAMES: [&'static str; 17] = [
        "bce",
        "weighted_bce",
        "cross_entropy",
        "dice",
        "two_class_dice",
        "tversky",
        "focal_tversky",
        "bce_dice",
        "focal",
        "focal_true_class",
        "focal_dice",
        "gdl",
        "pgdl",
        "total",
        "boundary",
        "edge",
        "consistency",
    ];

    /// Binary cross-entropy.
    pub fn bce() -> Self {
        Loss::Bce(Bce::PLAIN).into()
    }

    /// The loss of that name.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown name, for probabilities that it is not made for, and for numbers outside
    /// their range.
    pub fn named(name: &str, options: &LossOptions) -> Result<Self> {
        let o = options;
        if let Some(complaint) = o.unfit(name) {
            return Err(Error::Config(complaint));
        }
        let dice = || o.overlap(Overlap::dice(o.smooth));
        Ok(match name {
            "bce" => Self::bce(),
            "weighted_bce" => Loss::Bce(Bce::weighted(o.beta)).into(),
            "cross_entropy" => Loss::CrossEntropy(o.class_weights.clone()).into(),
            "dice" => dice(),
            "two_class_dice" => o.overlap(Overlap::two_class_dice(o.smooth)),
            "tversky" => o.overlap(Overlap::tversky(o.alpha, o.beta, o.smooth)),
            "focal_tversky" => o.overlap(Overlap {
                focus: Some(Focus { gamma: o.gamma, least: o.least }),
                ..Overlap::tversky(o.alpha, o.beta, o.smooth)
            }),
            "bce_dice" => Self::bce().plus(dice()),
            "focal" => o.focal(true),
            "focal_true_class" => o.focal(false),
            "focal_dice" => o.focal(true).plus(dice()),
            "gdl" => o.generalised(None),
            "pgdl" => o.generalised(Some(o.penalty)),
            "total" => o.generalised(Some(o.penalty)).plus(o.focal(true)),
            "boundary" => Loss::Boundary(Boundary { link: o.link }).into(),
            "edge" => Loss::Edge(Edge { link: o.link }).into(),
            "consistency" => Loss::Consistency(Consistency { link: o.link }).into(),
            _ => {
                let names = Self::NAMES.join(", ");
                return Err(Error::Config(format!("there is no loss {name:?}; there are {names}")));
            }
        })
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { terms: [self.terms, other.terms].concat() }
    }

    /// The loss times `weight`.
    #[must_use]
    pub fn times(self, weight: f32) -> Self {
        Self { terms: self.terms.into_iter().map(|(w, loss)| (w * weight, loss)).collect() }
    }

    /// Whether a term compares two views of each picture.
    pub fn compares_views(&self) -> bool {
        self.terms.iter().any(|(_, loss)| matches!(loss, Loss::Consistency(_)))
    }

    /// The terms that do not.
    #[must_use]
    pub fn without_views(&self) -> Self {
        let alone = |(_, loss): &&(f32, Loss)| !matches!(loss, Loss::Consistency(_));
        Self { terms: self.terms.iter().filter(alone).cloned().collect() }
    }

    /// Adds the loss of `logits` `[N,H,W,C]` against `target` of that shape (0 to 1; one-hot over the
    /// channels for softmax). Returns the scalar loss.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ, no class is left, there is not a weight for each class, or two views would be
    /// compared.
    pub fn build(&self, graph: &mut Graph, logits: Var, target: Var) -> Result<Var> {
        self.build_views(graph, logits, None, target)
    }

    /// As [`Self::build`], with the logits of another view of the pictures, turned back.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_views(
        &self,
        graph: &mut Graph,
        logits: Var,
        other: Option<Var>,
        target: Var,
    ) -> Result<Var> {
        let mut sum = None;
        for (weight, loss) in &self.terms {
            let mut term = loss.build(graph, logits, other, target)?;
            if *weight != 1.0 {
                let weight = graph.constant("weight of a loss", Shape::SCALAR, vec![*weight])?;
                term = graph.apply(Binary::new(BinaryKind::Mul), &[term, weight])?;
            }
            sum = Some(match sum {
                Some(sum) => add(graph, sum, term)?,
                None => term,
            });
        }
        sum.ok_or_else(|| Error::Config("there is no loss".into()))
    }
}

impl Loss {
    fn build(&self, graph: &mut Graph, logits: Var, other: Option<Var>, target: Var) -> Result<Var> {
        let inputs = [logits, target];
        let made = match self {
            Self::Bce(op) => graph.apply_all(*op, &inputs)?,
            Self::SoftmaxFocal(op) => graph.apply_all(*op, &inputs)?,
            Self::Overlap(op) => graph.apply_all(*op, &inputs)?,
            Self::GeneralisedDice(op) => graph.apply_all(*op, &inputs)?,
            Self::Boundary(loss) => return loss.build(graph, logits, target),
            Self::Edge(loss) => return loss.build(graph, logits, target),
            Self::Consistency(loss) => {
                let other = other
                    .ok_or_else(|| Error::shape("consistency", "wants a second view of the pictures"))?;
                return loss.build(graph, logits, other);
            }
            Self::CrossEntropy(weights) if weights.is_empty() => {
                graph.apply_all(CrossEntropy { weighted: false }, &inputs)?
            }
            Self::CrossEntropy(weights) => {
                let shape = Shape::channels(weights.len());
                let weights = graph.constant("class weights", shape, weights.clone())?;
                graph.apply_all(CrossEntropy { weighted: true }, &[logits, target, weights])?
            }
        };
        // The second is its gradient by the logits.
        Ok(made[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfit_settings_are_refused() {
        let options = LossOptions::default();
        let complaint = |name: &str, o: LossOptions| LossSpec::named(name, &o).unwrap_err().to_string();
        let softmax = LossOptions { link: Link::Softmax, ..options.clone() };
        assert!(complaint("dise", options.clone()).contains("dice"));
        assert!(complaint("tversky", LossOptions { alpha: -0.1, ..options.clone() }).contains("alpha"));
        assert!(
            complaint("focal_tversky", LossOptions { gamma: f32::NAN, ..options.clone() }).contains("gamma")
        );
        assert!(complaint("focal", LossOptions { alpha: 2.0, ..options.clone() }).contains("alpha"));
        assert!(complaint("bce", softmax.clone()).contains("sigmoid"));
        let both = LossOptions { both_sides: true, ..softmax.clone() };
        assert!(complaint("tversky", both).contains("both_sides"));
        assert!(complaint("cross_entropy", options.clone()).contains("softmax"));
        let weights = LossOptions { class_weights: vec![0.0, -1.0], ..softmax };
        assert!(complaint("cross_entropy", weights).contains("class weights"));
        let no_eps = ClassWeighting::InverseSquareEps(0.0);
        let eps = LossOptions { class_weighting: no_eps, ..options.clone() };
        assert!(complaint("gdl", eps).contains("weight_eps"));
        let k = Penalty { k: -1.0, ..options.penalty };
        assert!(complaint("pgdl", LossOptions { penalty: k, ..options.clone() }).contains("penalty"));
        assert!(complaint("total", LossOptions { alpha: 2.0, ..options.clone() }).contains("alpha"));
        let mut graph = Graph::new();
        let shape = Shape::new(1, 2, 2, 1);
        let (x, g) = (graph.input("x", shape), graph.input("g", shape));
        let spec = LossSpec::named("dice", &LossOptions { include_background: false, ..options }).unwrap();
        assert!(spec.build(&mut graph, x, g).unwrap_err().to_string().contains("background"));
        let (x2, g2) = (graph.input("x", shape.with_c(2)), graph.input("g", shape.with_c(2)));
        let gdl = LossSpec::named("gdl", &LossOptions::default()).unwrap();
        assert!(gdl.build(&mut graph, x2, g2).unwrap_err().to_string().contains("must be of a softmax"));
        let spec: LossSpec = Loss::CrossEntropy(vec![1.0, 2.0]).into();
        assert!(spec.build(&mut graph, x, g).unwrap_err().to_string().contains("one weight for each"));
    }
}

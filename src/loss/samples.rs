//! Samples of every loss, for `gyre doctor`.

use super::{
    Bce, ClassReduction, ClassWeighting, CrossEntropy, GeneralisedDice, Link, Overlap, Penalty, PenaltyForm,
    Scope, Sides, SoftmaxFocal,
};
use crate::{
    graph::{Operator, Shape},
    ops::check::Sample,
};

/// Awkward samples that together run every kernel of every loss.
pub fn samples() -> Vec<Sample> {
    let shape = Shape::new(3, 5, 7, 5);
    let image = Overlap {
        scope: Scope::Image,
        class_reduction: ClassReduction::Sum,
        ..Overlap::tversky(0.2, 0.8, 0.1)
    };
    let softmax = Overlap { link: Link::Softmax, include_background: false, ..Overlap::dice(1.0) };
    let both = Overlap { sides: Sides::Both, ..Overlap::focal_tversky(0.3, 0.7, 0.75, 1.0) };
    let gdl = GeneralisedDice::new(ClassWeighting::InverseSquare);
    let printed = Some(Penalty { k: 0.75, form: PenaltyForm::Printed });
    let silva = Some(Penalty { k: 0.75, form: PenaltyForm::Silva });
    let eps = GeneralisedDice {
        penalty: silva,
        scope: Scope::Batch,
        smooth: 0.1,
        include_background: false,
        ..GeneralisedDice::new(ClassWeighting::InverseSquareEps(0.5))
    };
    let alone = GeneralisedDice { link: Link::Sigmoid, penalty: printed, ..gdl };
    let alike = GeneralisedDice { penalty: printed, ..GeneralisedDice::new(ClassWeighting::None) };
    vec![
        sample("generalised Dice", gdl, shape),
        sample("of the batch, penalised as in public code", eps, shape),
        sample("classes alike, penalised", alike, Shape::new(2, 9, 11, 3)),
        sample("one sigmoid, penalised", alone, Shape::new(3, 6, 5, 1)),
        sample("cross-entropy of sigmoids", Bce::PLAIN, shape),
        sample("weighted", Bce::weighted(0.7), Shape::new(1, 1, 1, 1)),
        sample("focal", Bce::focal(0.25, 2.0), shape),
        sample("cross-entropy", CrossEntropy { weighted: false }, shape),
        weighted_cross_entropy(Shape::new(2, 9, 11, 3)),
        sample("focal, one against all", SoftmaxFocal { alpha: 0.25, gamma: 2.0, one_vs_all: true }, shape),
        sample("focal of the true class", SoftmaxFocal { alpha: 0.25, gamma: 0.5, one_vs_all: false }, shape),
        sample("Dice", Overlap::dice(1.0), Shape::new(2, 9, 11, 1)),
        sample("Tversky of each picture", image, shape),
        sample("Dice of a softmax", softmax, shape),
        sample("two-class Dice", Overlap::two_class_dice(1.0), shape),
        sample("focal Tversky of both sides", both, shape),
        sample("focal Tversky", Overlap::focal_tversky(0.3, 0.7, 0.75, 1.0), Shape::new(1, 17, 3, 1)),
    ]
}

/// Cross-entropy with a weight for each class.
pub fn weighted_cross_entropy(shape: Shape) -> Sample {
    let plain = sample("", CrossEntropy { weighted: false }, shape);
    let label = format!("weighted cross-entropy {shape}");
    let mut sample =
        Sample::new(label, CrossEntropy { weighted: true }, &[shape, shape, Shape::channels(shape.c)])
            .with(2, |v| v.abs() + 0.1)
            .constants(&[1, 2]);
    sample.inputs[..2].clone_from_slice(&plain.inputs);
    sample
}

/// Logits of -4..4 and a target that is 0, 1 or between.
pub fn sample(label: &str, op: impl Operator, shape: Shape) -> Sample {
    Sample::new(format!("{label} {shape}"), op, &[shape, shape])
        .with(0, |v| 2.0 * v)
        .with(1, |v| if v.abs() < 0.3 { 0.5 + v } else { f64::from(v > 0.0) })
        .constants(&[1])
}

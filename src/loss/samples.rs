//! Samples of every loss, for `gyre doctor`.

use super::{Bce, ClassReduction, Link, Overlap, Scope};
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
    vec![
        sample("cross-entropy", Bce, shape),
        sample("one pixel", Bce, Shape::new(1, 1, 1, 1)),
        sample("Dice", Overlap::dice(1.0), Shape::new(2, 9, 11, 1)),
        sample("Tversky of each picture", image, shape),
        sample("Dice of a softmax", softmax, shape),
        sample("focal Tversky", Overlap::focal_tversky(0.3, 0.7, 0.75, 1.0), Shape::new(1, 17, 3, 1)),
    ]
}

/// Logits of -4..4 and a target that is 0, 1 or between.
pub fn sample(label: &str, op: impl Operator, shape: Shape) -> Sample {
    Sample::new(format!("{label} {shape}"), op, &[shape, shape])
        .with(0, |v| 2.0 * v)
        .with(1, |v| if v.abs() < 0.3 { 0.5 + v } else { f64::from(v > 0.0) })
        .constants(&[1])
}

//! The scores themselves, and how those of many images become one.

use serde::{Deserialize, Serialize};

use super::{Confusion, SurfaceDistance};
use crate::Result;

/// What a score is where its formula divides nothing by nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Empty {
    /// Undefined: it is left out of means, and counted.
    #[default]
    Skip,
    /// 1 where prediction and truth agree that there is nothing, else 0.
    Fill,
}

/// The scores of one class against the rest, or an average of such; all in 0..=1, `None` where undefined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// 2 TP / (2 TP + FP + FN).
    pub dice: Option<f64>,
    /// TP / (TP + FP + FN), the Jaccard index.
    pub iou: Option<f64>,
    /// TP / (TP + FP).
    pub precision: Option<f64>,
    /// TP / (TP + FN), sensitivity.
    pub recall: Option<f64>,
    /// TN / (TN + FP).
    pub specificity: Option<f64>,
    /// (TP + TN) / all pixels.
    pub accuracy: Option<f64>,
}

/// The scores of one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// Which class; 0 is the background.
    pub class: usize,
    /// Pixels of this class in the truth.
    pub pixels: u64,
    /// This class against the rest.
    #[serde(flatten)]
    pub values: Values,
}

/// Everything that is computed from one set of counts.
///
/// *Macro* averages are means over the classes whose score is defined; *micro* averages add up the classes'
/// true and false positives and negatives first. *Foreground* leaves out class 0; a binary mask's foreground
/// is its class 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Share of the pixels whose class is right.
    pub accuracy: Option<f64>,
    /// Mean recall over the classes. For two classes this is the ROC-AUC of a mask that is already
    /// thresholded.
    pub balanced_accuracy: Option<f64>,
    /// Cohen's kappa, in -1..=1.
    pub kappa: Option<f64>,
    /// Macro average without class 0.
    pub macro_foreground: Values,
    /// Macro average.
    pub macro_all: Values,
    /// Micro average without class 0.
    pub micro_foreground: Values,
    /// Micro average.
    pub micro_all: Values,
    /// Each class against the rest.
    pub classes: Vec<ClassScores>,
}

/// Of one class, for how many images a score was undefined and is therefore not part of its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undefined {
    /// Which class.
    pub class: usize,
    /// Images where truth and prediction both lack the class.
    pub dice: usize,
    /// The same images as for Dice.
    pub iou: usize,
    /// Images whose prediction lacks the class.
    pub precision: usize,
    /// Images whose truth lacks the class.
    pub recall: usize,
    /// Images whose truth is this class throughout.
    pub specificity: usize,
    /// Images without pixels.
    pub accuracy: usize,
}

/// The scores of a set of images, summed up in the two usual ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// From the counts of all images together: large images and large objects weigh more.
    pub pooled: Scores,
    /// The mean of each image's scores, over the images where the score is defined.
    pub per_image_mean: Scores,
    /// How many images there are.
    pub images: usize,
    /// By class, for how many images a score divides nothing by nothing.
    pub undefined: Vec<Undefined>,
    /// Area under the ROC curve of all pixels' probabilities, where they were looked at: the mean of `auc_by_class`. Of
    /// the thresholded masks of a binary model it is [`Scores::balanced_accuracy`].
    pub auc: Option<f64>,
    /// That of each foreground class against all others.
    #[serde(default)]
    pub auc_by_class: Vec<Option<f64>>,
    /// Distances of surfaces, where they were measured.
    pub surface: Option<SurfaceSummary>,
}

/// Mean distances between the surfaces of truth and prediction, over the images and foreground classes for which
/// they are defined; pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfaceSummary {
    /// Hausdorff distance.
    pub hausdorff: Option<f64>,
    /// The larger of the 95th percentiles of the distances from either side.
    pub hd95: Option<f64>,
    /// The 95th percentile of the distances from both sides.
    pub hd95_pooled: Option<f64>,
    /// Masks that are empty in one of truth and prediction alone, and so not part of the means.
    pub undefined: usize,
}

impl SurfaceSummary {
    /// Sums up distances; those of two empty masks are zero, none stands for one empty mask.
    pub fn of(each: &[Option<SurfaceDistance>]) -> Self {
        let over = |of: fn(&SurfaceDistance) -> f64| mean(each.iter().map(|d| d.as_ref().map(of)));
        Self {
            hausdorff: over(|d| d.hausdorff),
            hd95: over(|d| d.hd95),
            hd95_pooled: over(|d| d.hd95_pooled),
            undefined: each.iter().filter(|d| d.is_none()).count(),
        }
    }
}

/// Sums up the counts of `images`, one [`Confusion`] each, over `classes` classes; `empty` says what a score that
/// divides nothing by nothing is. What is undefined is counted either way.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) if an image was counted over another number of classes.
pub fn summarise(classes: usize, images: &[Confusion], empty: Empty) -> Result<Summary> {
    let mut pooled = Confusion::new(classes);
    for image in images {
        pooled.merge(image)?;
    }
    let each = |empty: Empty| images.iter().map(|image| image.scores(empty)).collect::<Vec<_>>();
    let pooled = pooled.scores(empty);
    let undefined_in = each(Empty::Skip);
    Ok(Summary {
        per_image_mean: mean_scores(&each(empty), &pooled),
        undefined: (0..classes).map(|class| undefined(class, &undefined_in)).collect(),
        images: images.len(),
        pooled,
        auc: None,
        auc_by_class: Vec::new(),
        surface: None,
    })
}

impl Values {
    /// The mean of each score over those of `each` where it is defined; `None` where it nowhere is.
    pub fn mean(each: &[Self]) -> Self {
        let over = |of: fn(&Self) -> Option<f64>| mean(each.iter().map(of));
        Self {
            dice: over(|v| v.dice),
            iou: over(|v| v.iou),
            precision: over(|v| v.precision),
            recall: over(|v| v.recall),
            specificity: over(|v| v.specificity),
            accuracy: over(|v| v.accuracy),
        }
    }
}

/// `pooled` lends the classes and their pixel counts.
fn mean_scores(each: &[Scores], pooled: &Scores) -> Scores {
    let values = |of: &dyn Fn(&Scores) -> Values| Values::mean(&each.iter().map(of).collect::<Vec<_>>());
    Scores {
        accuracy: mean(each.iter().map(|s| s.accuracy)),
        balanced_accuracy: mean(each.iter().map(|s| s.balanced_accuracy)),
        kappa: mean(each.iter().map(|s| s.kappa)),
        macro_foreground: values(&|s| s.macro_foreground),
        macro_all: values(&|s| s.macro_all),
        micro_foreground: values(&|s| s.micro_foreground),
        micro_all: values(&|s| s.micro_all),
        classes: pooled
            .classes
            .iter()
            .map(|class| ClassScores { values: values(&|s| s.classes[class.class].values), ..*class })
            .collect(),
    }
}

fn undefined(class: usize, each: &[Scores]) -> Undefined {
    let count = |of: fn(&Values) -> Option<f64>| {
        each.iter().filter(|scores| of(&scores.classes[class].values).is_none()).count()
    };
    Undefined {
        class,
        dice: count(|v| v.dice),
        iou: count(|v| v.iou),
        precision: count(|v| v.precision),
        recall: count(|v| v.recall),
        specificity: count(|v| v.specificity),
        accuracy: count(|v| v.accuracy),
    }
}

/// The mean of those that are defined.
pub(crate) fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (sum, count) = values.flatten().fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Vec<Confusion> {
        [
            // Dice of class 1: 1, 0.5 and undefined.
            (vec![1, 1, 1, 1], vec![1, 1, 1, 1]),
            (vec![1, 0, 0, 0, 0, 1], vec![1, 1, 0, 0, 0, 0]),
            (vec![0, 0], vec![0, 0]),
        ]
        .iter()
        .map(|(prediction, truth)| Confusion::of(2, prediction, truth).unwrap())
        .collect()
    }

    #[test]
    fn pooled_and_mean_differ_and_undefined_images_are_counted() {
        let summary = summarise(2, &images(), Empty::Skip).unwrap();
        assert_eq!(summary.images, 3);
        assert_eq!(summary.pooled.classes[1].values.dice, Some(10.0 / 12.0));
        let mean = summary.per_image_mean.classes[1];
        assert_eq!((mean.values.dice, mean.pixels), (Some(0.75), 6));
        assert_eq!(summary.per_image_mean.macro_foreground.dice, Some(0.75));
        assert_eq!((summary.undefined[1].dice, summary.undefined[1].specificity), (1, 1));
        assert_eq!((summary.undefined[0].dice, summary.undefined[0].recall), (1, 1));
        let accuracy = summary.per_image_mean.accuracy.unwrap();
        assert!((accuracy - (1.0 + 4.0 / 6.0 + 1.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn json_round_trip_keeps_undefined_as_null() {
        let summary = summarise(2, &images()[2..], Empty::Skip).unwrap();
        let json = serde_json::to_value(&summary).unwrap();
        assert!(json["pooled"]["classes"][1]["dice"].is_null());
        assert_eq!(json["pooled"]["classes"][1]["pixels"], 0);
        assert_eq!(serde_json::from_value::<Summary>(json).unwrap(), summary);
    }

    #[test]
    fn no_image_is_all_undefined_and_wrong_classes_are_refused() {
        let summary = summarise(3, &[], Empty::Skip).unwrap();
        assert_eq!((summary.images, summary.pooled.accuracy, summary.undefined.len()), (0, None, 3));
        assert!(summarise(3, &images(), Empty::Skip).is_err());
    }
}

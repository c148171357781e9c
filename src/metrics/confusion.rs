//! Counting pixels by true and predicted class.

use super::scores::{ClassScores, Empty, Scores, Values};
use crate::{Error, Result};

/// Pixels counted by true and predicted class. Class 0 is the background; a binary mask has two classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// Row-major `[truth][prediction]`.
    counts: Vec<u64>,
}

/// True and false positives and negatives, pixels.
#[derive(Clone, Copy, Default)]
struct Cells {
    tp: u64,
    fp: u64,
    fn_: u64,
    tn: u64,
}

impl Confusion {
    /// An empty count over `classes` classes, the background included.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// The count of one image.
    ///
    /// # Errors
    /// As [`Confusion::add`].
    pub fn of(classes: usize, prediction: &[u8], truth: &[u8]) -> Result<Self> {
        let mut counted = Self::new(classes);
        counted.add(prediction, truth)?;
        Ok(counted)
    }

    /// Counts the pixels of `prediction` against those of `truth`; both hold one class index a pixel.
    ///
    /// # Errors
    /// [`Error::Shape`] if the lengths differ or a pixel holds a class that is not below the number of
    /// classes; nothing has been counted then.
    pub fn add(&mut self, prediction: &[u8], truth: &[u8]) -> Result<()> {
        if prediction.len() != truth.len() {
            let message = format!("prediction has {} pixels, truth {}", prediction.len(), truth.len());
            return Err(Error::shape("confusion", message));
        }
        for (mask, name) in [(prediction, "prediction"), (truth, "truth")] {
            if let Some((at, class)) =
                mask.iter().enumerate().find(|(_, class)| usize::from(**class) >= self.classes)
            {
                let message =
                    format!("{name} holds class {class} at pixel {at}; there are {} classes", self.classes);
                return Err(Error::shape("confusion", message));
            }
        }
        for (p, t) in prediction.iter().zip(truth) {
            self.counts[usize::from(*t) * self.classes + usize::from(*p)] += 1;
        }
        Ok(())
    }

    /// Takes counts as they are, `classes` rows of truth with `classes` counts of prediction each.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of counts.
    pub fn from_counts(classes: usize, counts: &[u64]) -> Result<Self> {
        if counts.len() != classes * classes {
            return Err(Error::shape("confusion", format!("{} counts of {classes} classes", counts.len())));
        }
        Ok(Self { classes, counts: counts.to_vec() })
    }

    /// Adds the counts of `other`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the two count different numbers of classes.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.classes != other.classes {
            let message = format!("cannot merge counts of {} and {} classes", self.classes, other.classes);
            return Err(Error::shape("confusion", message));
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        Ok(())
    }

    /// Number of classes, the background included.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The counts, row-major `[truth][prediction]`, pixels.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Pixels of true class `truth` predicted as `prediction`; 0 for a class that does not exist.
    pub fn count(&self, truth: usize, prediction: usize) -> u64 {
        if truth.max(prediction) < self.classes { self.counts[truth * self.classes + prediction] } else { 0 }
    }

    /// All pixels counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Every score of these counts. What a division by zero would give is `None`: Dice and IoU of a class
    /// that is neither in the truth nor in the prediction, recall of one absent from the truth, and so on; unless
    /// `empty` says what it is instead. The balanced accuracy needs every class in the truth either way.
    pub fn scores(&self, empty: Empty) -> Scores {
        let cells: Vec<Cells> = (0..self.classes).map(|class| self.cells(class)).collect();
        let classes: Vec<ClassScores> = cells
            .iter()
            .enumerate()
            .map(|(class, cells)| ClassScores {
                class,
                pixels: cells.tp + cells.fn_,
                values: cells.values(empty),
            })
            .collect();
        let foreground = usize::from(self.classes > 1);
        let each: Vec<Values> = classes.iter().map(|class| class.values).collect();
        let recalls = cells.iter().map(|cells| cells.values(Empty::Skip).recall);
        Scores {
            accuracy: ratio(self.agreeing(), self.total()),
            balanced_accuracy: mean_of_all(recalls),
            kappa: self.kappa().or((empty == Empty::Fill && self.total() > 0).then_some(1.0)),
            macro_foreground: Values::mean(&each[foreground..]),
            macro_all: Values::mean(&each),
            micro_foreground: sum(&cells[foreground..]).values(empty),
            micro_all: sum(&cells).values(empty),
            classes,
        }
    }

    /// One class against the rest.
    fn cells(&self, class: usize) -> Cells {
        let truth: u64 = (0..self.classes).map(|p| self.count(class, p)).sum();
        let predicted: u64 = (0..self.classes).map(|t| self.count(t, class)).sum();
        let tp = self.count(class, class);
        Cells { tp, fp: predicted - tp, fn_: truth - tp, tn: self.total() + tp - truth - predicted }
    }

    fn agreeing(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// Cohen's kappa; undefined where chance alone would agree on every pixel.
    fn kappa(&self) -> Option<f64> {
        let total = self.total() as f64;
        let observed = ratio(self.agreeing(), self.total())?;
        let chance: f64 = (0..self.classes)
            .map(|class| {
                let cells = self.cells(class);
                (cells.tp + cells.fn_) as f64 / total * ((cells.tp + cells.fp) as f64 / total)
            })
            .sum();
        (chance < 1.0).then(|| (observed - chance) / (1.0 - chance))
    }
}

impl Cells {
    fn values(&self, empty: Empty) -> Values {
        let Self { tp, fp, fn_, tn } = *self;
        // Where nothing was there to be found, or to be left out, it is right to have found or left out nothing.
        let filled = |part: u64, whole: u64, missed: u64| {
            let right = if missed == 0 { 1.0 } else { 0.0 };
            ratio(part, whole).or((empty == Empty::Fill).then_some(right))
        };
        Values {
            dice: filled(2 * tp, 2 * tp + fp + fn_, 0),
            iou: filled(tp, tp + fp + fn_, 0),
            precision: filled(tp, tp + fp, fn_),
            recall: filled(tp, tp + fn_, fp),
            specificity: filled(tn, tn + fp, fn_),
            accuracy: ratio(tp + tn, tp + fp + fn_ + tn),
        }
    }
}

fn sum(cells: &[Cells]) -> Cells {
    cells.iter().fold(Cells::default(), |a, b| Cells {
        tp: a.tp + b.tp,
        fp: a.fp + b.fp,
        fn_: a.fn_ + b.fn_,
        tn: a.tn + b.tn,
    })
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The mean, or `None` if there is nothing to average or any part is undefined.
fn mean_of_all(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: Option<f64>, wanted: f64) {
        assert!(got.is_some_and(|got| (got - wanted).abs() < 1e-12), "{got:?} is not {wanted}");
    }

    #[test]
    fn binary_scores_by_hand() {
        // tp 3, fp 1, fn 2, tn 4.
        let truth = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
        let predicted = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0];
        let scores = Confusion::of(2, &predicted, &truth).unwrap().scores(Empty::Skip);
        let one = &scores.classes[1];
        assert_eq!((one.class, one.pixels), (1, 5));
        near(one.values.dice, 6.0 / 9.0);
        near(one.values.iou, 3.0 / 6.0);
        near(one.values.precision, 3.0 / 4.0);
        near(one.values.recall, 3.0 / 5.0);
        near(one.values.specificity, 4.0 / 5.0);
        near(one.values.accuracy, 7.0 / 10.0);
        near(scores.accuracy, 0.7);
        near(scores.balanced_accuracy, 0.7);
        near(scores.kappa, (0.7 - 0.5) / 0.5);
        assert_eq!(scores.macro_foreground, one.values);
        assert_eq!(scores.micro_foreground, one.values);
    }

    #[test]
    fn three_classes_average_macro_and_micro() {
        // [truth][prediction]: 4 1 0 / 0 2 1 / 1 0 1
        let truth = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2];
        let predicted = [0, 0, 0, 0, 1, 1, 1, 2, 0, 2];
        let confusion = Confusion::of(3, &predicted, &truth).unwrap();
        assert_eq!(confusion.counts(), [4, 1, 0, 0, 2, 1, 1, 0, 1]);
        let scores = confusion.scores(Empty::Skip);
        near(scores.macro_all.iou, (4.0 / 6.0 + 2.0 / 4.0 + 1.0 / 3.0) / 3.0);
        near(scores.macro_foreground.iou, (2.0 / 4.0 + 1.0 / 3.0) / 2.0);
        near(scores.micro_all.iou, 7.0 / 13.0);
        near(scores.micro_foreground.iou, 3.0 / 7.0);
        near(scores.micro_all.recall, 0.7);
        near(scores.kappa, (0.7 - 0.38) / 0.62);
    }

    #[test]
    fn what_cannot_be_divided_is_undefined() {
        let empty = Confusion::of(2, &[0; 4], &[0; 4]).unwrap().scores(Empty::Skip);
        let one = empty.classes[1].values;
        assert_eq!((one.dice, one.iou, one.precision, one.recall), (None, None, None, None));
        near(one.specificity, 1.0);
        near(empty.accuracy, 1.0);
        assert_eq!((empty.kappa, empty.balanced_accuracy), (None, None));
        let false_alarm =
            Confusion::of(2, &[1, 0, 0, 0], &[0; 4]).unwrap().scores(Empty::Skip).classes[1].values;
        near(false_alarm.dice, 0.0);
        near(false_alarm.precision, 0.0);
        assert_eq!(false_alarm.recall, None);
        let nothing = Confusion::new(2).scores(Empty::Skip);
        assert_eq!((nothing.accuracy, nothing.kappa), (None, None));
        assert!(Confusion::new(0).scores(Empty::Skip).classes.is_empty());
    }

    #[test]
    fn counts_merge_and_bad_input_counts_nothing() {
        let mut all = Confusion::of(3, &[0, 1, 2], &[0, 1, 1]).unwrap();
        all.merge(&Confusion::of(3, &[2], &[1]).unwrap()).unwrap();
        assert_eq!((all.count(1, 2), all.total(), all.count(3, 0)), (2, 4, 0));
        let before = all.clone();
        assert!(all.add(&[0], &[0, 1]).is_err());
        let error = all.add(&[0, 0], &[0, 255]).unwrap_err().to_string();
        assert!(error.contains("truth holds class 255 at pixel 1"), "{error}");
        assert!(all.merge(&Confusion::new(2)).is_err());
        assert_eq!(all, before);
    }
}

//! What tables, plots and claims look at: a score, of all classes or of one.

use serde::Deserialize;

use crate::{
    metrics::{Summary, Values},
    train::Footprint,
};

/// A score that tables show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// Dice of the foreground, all pictures pooled.
    Dice,
    /// Mean of the pictures' Dice.
    DiceImages,
    /// Intersection over union, pooled.
    Iou,
    /// The same from the pixels of all classes together, the background too: the sum of what agrees over that of what
    /// agrees and what does not.
    IouMicro,
    /// The same without the background.
    IouMicroForeground,
    /// Precision, pooled.
    Precision,
    /// Recall, pooled.
    Recall,
    /// Specificity, pooled.
    Specificity,
    /// Share of the pixels that are right.
    Accuracy,
    /// Area under the ROC curve of the probabilities.
    Auc,
    /// The same of the thresholded masks: balanced accuracy.
    AucBinary,
    /// Cohen's kappa.
    Kappa,
    /// Mean of the pictures' 95th percentiles of surface distance, pixels.
    Hd95,
    /// Mean of the pictures' Hausdorff distances, pixels.
    Hausdorff,
    /// Trained numbers, millions.
    Parameters,
    /// Operations of predicting a picture, 10^9.
    Gflop,
    /// Memory of predicting a picture, MiB.
    Memory,
    /// Memory of a training step, MiB.
    TrainingMemory,
    /// Milliseconds of predicting a picture.
    Milliseconds,
    /// Epochs until validation was near its best.
    Epochs,
}

impl Score {
    /// What stands above it.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Dice => "Dice",
            Self::DiceImages => "Dice (mean of pictures)",
            Self::Iou => "IoU",
            Self::IouMicro => "IoU (micro)",
            Self::IouMicroForeground => "IoU (micro, foreground)",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Specificity => "specificity",
            Self::Accuracy => "accuracy",
            Self::Auc => "AUC",
            Self::AucBinary => "AUC of masks",
            Self::Kappa => "kappa",
            Self::Hd95 => "HD95",
            Self::Hausdorff => "Hausdorff",
            Self::Parameters => "parameters, M",
            Self::Gflop => "GFLOP a picture",
            Self::Memory => "memory, MiB",
            Self::TrainingMemory => "memory in training, MiB",
            Self::Milliseconds => "ms a picture",
            Self::Epochs => "epochs to converge",
        }
    }

    fn of(self, summary: &Summary, took: Option<&Footprint>) -> Option<f64> {
        const MIB: f64 = 1048576.0;
        let pooled = &summary.pooled;
        match self {
            Self::Dice => pooled.macro_foreground.dice,
            Self::DiceImages => summary.per_image_mean.macro_foreground.dice,
            Self::Iou => pooled.macro_foreground.iou,
            Self::IouMicro => pooled.micro_all.iou,
            Self::IouMicroForeground => pooled.micro_foreground.iou,
            Self::Precision => pooled.macro_foreground.precision,
            Self::Recall => pooled.macro_foreground.recall,
            Self::Specificity => pooled.macro_foreground.specificity,
            Self::Accuracy => pooled.accuracy,
            Self::Auc => summary.auc,
            Self::AucBinary => pooled.balanced_accuracy,
            Self::Kappa => pooled.kappa,
            Self::Hd95 => summary.surface.as_ref().and_then(|s| s.hd95),
            Self::Hausdorff => summary.surface.as_ref().and_then(|s| s.hausdorff),
            Self::Parameters => took.map(|t| t.parameters as f64 * 1e-6),
            Self::Gflop => took.map(|t| t.flops as f64 * 1e-9),
            Self::Memory => took.map(|t| t.bytes as f64 / MIB),
            Self::TrainingMemory => took.map(|t| t.training_bytes as f64 / MIB),
            Self::Milliseconds => took.map(|t| t.milliseconds),
            Self::Epochs => took.and_then(|t| t.epochs).map(|epochs| epochs as f64),
        }
    }

    /// Where a class has it.
    fn of_class(self) -> Option<fn(&Values) -> Option<f64>> {
        match self {
            Self::Dice => Some(|v| v.dice),
            Self::Iou => Some(|v| v.iou),
            Self::Precision => Some(|v| v.precision),
            Self::Recall => Some(|v| v.recall),
            Self::Specificity => Some(|v| v.specificity),
            Self::Accuracy => Some(|v| v.accuracy),
            _ => None,
        }
    }

    /// Whether it is counted, and the same in every run of a network.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::Parameters | Self::Gflop | Self::Memory | Self::TrainingMemory)
    }

    /// Whether it lies in 0..=1.
    pub fn is_share(self) -> bool {
        self.is_better_high() && self != Self::Kappa
    }

    /// Whether more is better.
    pub fn is_better_high(self) -> bool {
        !matches!(
            self,
            Self::Hd95
                | Self::Hausdorff
                | Self::Parameters
                | Self::Gflop
                | Self::Memory
                | Self::TrainingMemory
                | Self::Milliseconds
                | Self::Epochs
        )
    }

    /// Whether it takes more than counted pixels.
    pub fn is_thorough(self) -> bool {
        matches!(self, Self::Auc | Self::Hd95 | Self::Hausdorff)
    }
}

/// A score of all classes, or of one: as text `precision` or `precision.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Column {
    /// Which score.
    pub score: Score,
    /// Of which class; 0 is the background.
    pub class: Option<usize>,
}

impl From<Score> for Column {
    fn from(score: Score) -> Self {
        Self { score, class: None }
    }
}

impl TryFrom<String> for Column {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, class) = text.split_once('.').map_or((text.as_str(), None), |(n, c)| (n, Some(c)));
        let known = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name);
        let score = Score::deserialize(known).map_err(|e| e.to_string())?;
        let Some(class) = class else { return Ok(score.into()) };
        let class = class.parse().map_err(|_| format!("{text}: {class:?} is no number of a class"))?;
        Self::from(score).of_the(class).ok_or_else(|| format!("{text}: {name} is no score of a single class"))
    }
}

impl Column {
    /// The same score of a class; `None` where a class has none.
    pub fn of_the(self, class: usize) -> Option<Self> {
        self.score.of_class().map(|_| Self { class: Some(class), ..self })
    }

    /// What stands above it; `classes` names the classes, where they have names.
    pub fn heading(self, classes: &[String]) -> String {
        match self.class {
            None => self.score.heading().into(),
            Some(class) => match classes.get(class) {
                Some(name) => format!("{}, {name}", self.score.heading()),
                None => format!("{}, class {class}", self.score.heading()),
            },
        }
    }

    /// The score; `None` where it is undefined. `took` is what the model takes, where that is known.
    pub fn of(self, summary: &Summary, took: Option<&Footprint>) -> Option<f64> {
        match self.class {
            None => self.score.of(summary, took),
            Some(class) => self.score.of_class()?(&summary.pooled.classes.get(class)?.values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Confusion, Empty, summarise};

    #[test]
    fn columns_are_read() {
        let column = |text: &str| Column::try_from(text.to_owned());
        assert_eq!(column("iou_micro"), Ok(Score::IouMicro.into()));
        assert_eq!(column("recall.12"), Ok(Column { score: Score::Recall, class: Some(12) }));
        assert!(column("mood").unwrap_err().contains("mood"));
        assert!(column("kappa.1").unwrap_err().contains("single class"));
        assert!(column("recall.x").unwrap_err().contains("no number"));
        let names = ["ground".to_owned(), "cell".to_owned()];
        assert_eq!(column("recall.1").unwrap().heading(&names), "recall, cell");
        assert_eq!(column("recall.2").unwrap().heading(&names), "recall, class 2");
    }

    #[test]
    fn classes_and_the_micro_average_by_hand() {
        // Truth 0 0 1 1 2 2, predicted 0 1 1 1 2 0: agreeing 1 + 2 + 1, disagreeing twice, each a miss and an alarm.
        let one = Confusion::of(3, &[0, 1, 1, 1, 2, 0], &[0, 0, 1, 1, 2, 2]).unwrap();
        let summary = summarise(3, &[one], Empty::Skip).unwrap();
        let of = |text: &str| Column::try_from(text.to_owned()).unwrap().of(&summary, None);
        assert_eq!(of("iou_micro"), Some(4.0 / 8.0));
        assert_eq!(of("iou_micro_foreground"), Some(3.0 / 5.0));
        assert_eq!(of("precision.1"), Some(2.0 / 3.0));
        assert_eq!(of("recall.2"), Some(0.5));
        assert_eq!(of("iou.0"), Some(1.0 / 3.0));
        assert_eq!(of("iou.3"), None);
    }
}

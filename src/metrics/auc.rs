//! Area under the receiver's operating curve.

use crate::{Error, Result};

/// The exact area under the ROC curve of probabilities, ties counting one half: the chance that a positive pixel
/// is given a higher probability than a negative one. Keeps 4 bytes a pixel, of up to 2^24 pixels; beyond that it
/// keeps counts, and probabilities less than 2^-20 apart may tie.
#[derive(Clone, Debug, Default)]
pub struct RocAuc {
    /// Bits of each probability, which order as the numbers do, then one bit for the truth.
    seen: Vec<u32>,
    /// Negative and positive pixels by probability, in steps of 2^-20, of all that are no longer in `seen`.
    counted: Vec<[u64; 2]>,
}

/// Pixels that are kept one by one.
const MOST_SEEN: usize = 1 << 24;
/// The greatest probability, in steps of the counts.
const STEPS: f32 = (1 << 20) as f32;

impl RocAuc {
    /// Takes over the probabilities of some pixels to be of class `positive`; `truth` holds their classes.
    ///
    /// # Errors
    /// [`Error::Check`] for a number that is no probability; nothing has been taken over then.
    pub fn add(&mut self, probabilities: &[f32], truth: &[u8], positive: u8) -> Result<()> {
        if let Some(p) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(Error::Check(format!("{p} is no probability; the model's output is broken")));
        }
        // -0.0 is the same number as 0.0.
        let word = |(p, t): (&f32, &u8)| (p.abs().to_bits() << 1) | u32::from(*t == positive);
        self.seen.extend(probabilities.iter().zip(truth).map(word));
        if self.seen.len() > MOST_SEEN {
            self.count();
        }
        Ok(())
    }

    fn count(&mut self) {
        self.counted.resize(STEPS as usize + 1, [0; 2]);
        for word in self.seen.drain(..) {
            let step = (f32::from_bits(word >> 1) * STEPS) as usize;
            self.counted[step][(word & 1) as usize] += 1;
        }
    }

    /// Negative and positive pixels of each probability, from low to high.
    fn ties(&mut self) -> Vec<[u64; 2]> {
        if !self.counted.is_empty() {
            self.count();
            return self.counted.iter().copied().filter(|tied| *tied != [0; 2]).collect();
        }
        self.seen.sort_unstable();
        let of = |tied: &[u32]| {
            let positive = tied.iter().filter(|word| **word & 1 == 1).count() as u64;
            [tied.len() as u64 - positive, positive]
        };
        self.seen.chunk_by(|a, b| a >> 1 == b >> 1).map(of).collect()
    }

    /// What every threshold would do; `None` while there are no positive or no negative pixels.
    pub fn thresholds(&mut self) -> Option<Thresholds> {
        let (auc, ties) = (self.value(), self.ties());
        let negatives: u64 = ties.iter().map(|tied| tied[0]).sum();
        let positives: u64 = ties.iter().map(|tied| tied[1]).sum();
        if positives == 0 || negatives == 0 {
            return None;
        }
        let (mut hits, mut alarms) = (0u64, 0u64);
        let mut average_precision = 0.0;
        let mut places = vec![(0, 0)];
        for [negative, positive] in ties.into_iter().rev() {
            (hits, alarms) = (hits + positive, alarms + negative);
            average_precision += positive as f64 / positives as f64 * (hits as f64 / (hits + alarms) as f64);
            let last = places[places.len() - 1];
            // Places nearer to each other than a line is wide are left out.
            let moved =
                (hits - last.0) * MOST_PLACES > positives || (alarms - last.1) * MOST_PLACES > negatives;
            if moved || (hits, alarms) == (positives, negatives) {
                places.push((hits, alarms));
            }
        }
        Some(Thresholds { positives, negatives, auc, average_precision, places })
    }

    /// The area; `None` while there are no positive or no negative pixels.
    pub fn value(&mut self) -> Option<f64> {
        let (mut below, mut pairs, mut positives) = (0u64, 0.0, 0u64);
        for [negative, positive] in self.ties() {
            pairs += positive as f64 * (below as f64 + 0.5 * negative as f64);
            below += negative;
            positives += positive;
        }
        (positives > 0 && below > 0).then(|| pairs / (positives as f64 * below as f64))
    }
}

/// About how many places of a curve are kept.
const MOST_PLACES: u64 = 250;

/// What a binary model does as its threshold falls from above every probability to below.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    /// Positive pixels.
    pub positives: u64,
    /// Negative pixels.
    pub negatives: u64,
    /// Exact area under the ROC curve.
    pub auc: Option<f64>,
    /// Mean precision, each threshold weighed by the recall it adds; exact.
    pub average_precision: f64,
    /// True and false positives, thinned out to some hundred places.
    places: Vec<(u64, u64)>,
}

impl Thresholds {
    /// False positive rate and true positive rate, from (0, 0) to (1, 1).
    pub fn roc(&self) -> Vec<(f64, f64)> {
        let share = |count: u64, of: u64| count as f64 / of as f64;
        self.places.iter().map(|(tp, fp)| (share(*fp, self.negatives), share(*tp, self.positives))).collect()
    }

    /// Recall and precision, from the highest threshold that finds anything to recall 1.
    pub fn precision_recall(&self) -> Vec<(f64, f64)> {
        let found = self.places.iter().filter(|(tp, fp)| tp + fp > 0);
        found.map(|(tp, fp)| (*tp as f64 / self.positives as f64, *tp as f64 / (tp + fp) as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auc(probabilities: &[f32], truth: &[u8]) -> Option<f64> {
        let mut all = RocAuc::default();
        all.add(probabilities, truth, 1).unwrap();
        all.value()
    }

    #[test]
    fn pairs_are_counted() {
        assert_eq!(auc(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.75));
        assert_eq!(auc(&[0.5; 3], &[0, 1, 1]), Some(0.5));
        assert_eq!(auc(&[0.0, -0.0, 1.0], &[1, 0, 0]), Some(0.25));
        assert_eq!((auc(&[0.2], &[1]), auc(&[], &[])), (None, None));
    }

    #[test]
    fn parts_add_up_and_what_is_no_probability_is_refused() {
        let mut all = RocAuc::default();
        all.add(&[0.1, 0.4], &[0, 2], 1).unwrap();
        assert_eq!(all.value(), None);
        assert!(all.add(&[0.3, f32::NAN], &[1, 1], 1).is_err());
        all.add(&[0.35, 0.8], &[1, 1], 1).unwrap();
        assert_eq!(all.value(), Some(0.75));
    }

    #[test]
    fn thresholds_trace_both_curves() {
        let mut all = RocAuc::default();
        all.add(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1], 1).unwrap();
        let curves = all.thresholds().unwrap();
        assert_eq!(curves.roc(), [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]);
        assert_eq!(curves.precision_recall(), [(0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0), (1.0, 0.5)]);
        assert!((curves.average_precision - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
        assert!(RocAuc::default().thresholds().is_none());
    }

    #[test]
    fn counts_agree_with_single_pixels() {
        let p: Vec<f32> = (0..5000).map(|i| (i as f32 * 0.618).fract()).collect();
        let truth: Vec<u8> = p.iter().map(|p| u8::from((p * 97.0).fract() < *p)).collect();
        let mut all = RocAuc::default();
        all.add(&p[..2000], &truth, 1).unwrap();
        all.count();
        all.add(&[&p[2000..], &[1.0]].concat(), &[&truth[2000..], &[1]].concat(), 1).unwrap();
        let one_by_one = auc(&[&p[..], &[1.0]].concat(), &[&truth[..], &[1]].concat()).unwrap();
        assert!((all.value().unwrap() - one_by_one).abs() < 1e-6 && one_by_one > 0.6);
        assert_eq!(all.thresholds().unwrap().auc, all.value());
    }

    #[test]
    fn long_curves_are_thinned_out() {
        let mut all = RocAuc::default();
        let p: Vec<f32> = (0..40_000).map(|i| i as f32 / 40_000.0).collect();
        all.add(&p, &p.iter().map(|p| u8::from((p * 97.0).fract() < *p)).collect::<Vec<_>>(), 1).unwrap();
        let curve = all.thresholds().unwrap().roc();
        assert!((200..=502).contains(&curve.len()), "{}", curve.len());
        assert_eq!((curve[0], curve[curve.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
    }
}

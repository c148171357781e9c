//! Area under the receiver's operating curve.

use crate::{Error, Result};

/// The exact area under the ROC curve of probabilities, ties counting one half: the chance that a positive pixel
/// is given a higher probability than a negative one. Keeps 4 bytes a pixel.
#[derive(Clone, Debug, Default)]
pub struct RocAuc {
    /// Bits of each probability, which order as the numbers do, then one bit for the truth.
    seen: Vec<u32>,
}

impl RocAuc {
    /// Takes over the probabilities of some pixels; `truth` holds their classes, of which 1 is positive.
    ///
    /// # Errors
    /// [`Error::Check`] for a number that is no probability; nothing has been taken over then.
    pub fn add(&mut self, probabilities: &[f32], truth: &[u8]) -> Result<()> {
        if let Some(p) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(Error::Check(format!("{p} is no probability; the model's output is broken")));
        }
        // -0.0 is the same number as 0.0.
        let word = |(p, t): (&f32, &u8)| (p.abs().to_bits() << 1) | u32::from(*t == 1);
        self.seen.extend(probabilities.iter().zip(truth).map(word));
        Ok(())
    }

    /// The area; `None` while there are no positive or no negative pixels.
    pub fn value(&mut self) -> Option<f64> {
        self.seen.sort_unstable();
        let (mut below, mut pairs, mut positives) = (0u64, 0.0, 0u64);
        for tied in self.seen.chunk_by(|a, b| a >> 1 == b >> 1) {
            let positive = tied.iter().filter(|word| **word & 1 == 1).count() as u64;
            let negative = tied.len() as u64 - positive;
            pairs += positive as f64 * (below as f64 + 0.5 * negative as f64);
            below += negative;
            positives += positive;
        }
        (positives > 0 && below > 0).then(|| pairs / (positives as f64 * below as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auc(probabilities: &[f32], truth: &[u8]) -> Option<f64> {
        let mut all = RocAuc::default();
        all.add(probabilities, truth).unwrap();
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
        all.add(&[0.1, 0.4], &[0, 0]).unwrap();
        assert_eq!(all.value(), None);
        assert!(all.add(&[0.3, f32::NAN], &[1, 1]).is_err());
        all.add(&[0.35, 0.8], &[1, 1]).unwrap();
        assert_eq!(all.value(), Some(0.75));
    }
}

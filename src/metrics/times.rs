//! What repeated measurements come to.

use serde::{Deserialize, Serialize};

/// Milliseconds over several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The middle one.
    pub median: f64,
    /// The fastest.
    pub least: f64,
    /// The slowest.
    pub most: f64,
    /// How many.
    pub runs: usize,
}

impl Times {
    /// Of any number of runs; zero of none.
    pub fn of(mut ms: Vec<f64>) -> Self {
        ms.sort_by(f64::total_cmp);
        let (Some(least), Some(most)) = (ms.first(), ms.last()) else { return Self::default() };
        let half = ms.len() / 2;
        let median = if ms.len() % 2 == 1 { ms[half] } else { (ms[half - 1] + ms[half]) / 2.0 };
        Self { median, least: *least, most: *most, runs: ms.len() }
    }

    /// Difference of slowest and fastest, in parts of the median.
    pub fn spread(&self) -> f64 {
        if self.median > 0.0 { (self.most - self.least) / self.median } else { 0.0 }
    }

    /// `amount` a millisecond, in thousand millions a second.
    pub fn rate(&self, amount: u64) -> f64 {
        if self.median > 0.0 { amount as f64 / self.median * 1e-6 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_rates() {
        let t = Times::of(vec![4.0, 1.0, 2.0]);
        assert_eq!((t.median, t.least, t.most, t.runs), (2.0, 1.0, 4.0, 3));
        assert_eq!(t.spread(), 1.5);
        // 2e9 in 2 ms are 1e12 a second.
        assert_eq!(t.rate(2_000_000_000), 1000.0);
        assert_eq!(Times::of(vec![1.0, 3.0]).median, 2.0);
        assert_eq!(Times::of(Vec::new()).rate(1), 0.0);
    }
}

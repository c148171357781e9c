//! A learning rate that falls when a run no longer gets better.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// When to lower the learning rate, as PyTorch's `ReduceLROnPlateau` means it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauSpec {
    /// The rate at first.
    pub base: f64,
    /// Factor of a reduction.
    pub factor: f64,
    /// Looks without a better number that are borne.
    pub patience: u64,
    /// How much better counts as better.
    pub threshold: f64,
    /// The threshold is a share of the best number; else it is in that number's unit.
    pub relative: bool,
    /// Looks after a reduction that count for nothing.
    pub cooldown: u64,
    /// The rate falls no lower.
    pub least: f64,
    /// A reduction by less than this is not made.
    pub eps: f64,
    /// More is better; else less is.
    pub maximise: bool,
}

/// How a run stands with its plateau.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    best: Option<f64>,
    bad: u64,
    cooldown: u64,
    rate: Option<f64>,
}

impl Plateau {
    /// The learning rate now.
    pub fn rate(&self, spec: &PlateauSpec) -> f64 {
        self.rate.unwrap_or(spec.base)
    }

    /// Takes a new number; NaN is never better.
    pub fn look(&mut self, spec: &PlateauSpec, now: f64) {
        if self.best.is_none_or(|best| spec.better(now, best)) && !now.is_nan() {
            self.best = Some(now);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad = 0;
        }
        if self.bad > spec.patience {
            let (old, new) = (self.rate(spec), (self.rate(spec) * spec.factor).max(spec.least));
            if old - new > spec.eps {
                self.rate = Some(new);
            }
            self.cooldown = spec.cooldown;
            self.bad = 0;
        }
    }
}

impl PlateauSpec {
    fn better(&self, now: f64, best: f64) -> bool {
        let sign = if self.maximise { 1.0 } else { -1.0 };
        let margin = if self.relative { best * self.threshold } else { self.threshold };
        sign * (now - best) > margin
    }

    /// The settings of a reference case. None for others.
    pub fn from_attrs(attrs: &Value) -> Option<Self> {
        let number = |key: &str| attrs.get(key)?.as_f64();
        let whole = |key: &str| attrs.get(key)?.as_u64();
        let word = |key: &str, one: &str, other: &str| match attrs.get(key)?.as_str()? {
            v if v == one => Some(true),
            v if v == other => Some(false),
            _ => None,
        };
        Some(Self {
            base: number("base")?,
            factor: number("factor")?,
            patience: whole("patience")?,
            threshold: number("threshold")?,
            relative: word("threshold_mode", "rel", "abs")?,
            cooldown: whole("cooldown")?,
            least: number("min_lr")?,
            eps: number("eps")?,
            maximise: word("mode", "max", "min")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: PlateauSpec = PlateauSpec {
        base: 1.0,
        factor: 0.5,
        patience: 1,
        threshold: 0.1,
        relative: false,
        cooldown: 1,
        least: 0.3,
        eps: 0.0,
        maximise: true,
    };

    fn rates(spec: &PlateauSpec, numbers: &[f64]) -> Vec<f64> {
        let mut state = Plateau::default();
        let look = |n: &f64| {
            state.look(spec, *n);
            state.rate(spec)
        };
        numbers.iter().map(look).collect()
    }

    #[test]
    fn patience_cooldown_and_least_rate() {
        let numbers = [0.5, 0.55, 0.59, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7];
        // The first two that are not better by 0.1 end the patience; the look after that is free.
        assert_eq!(rates(&SPEC, &numbers), [1.0, 1.0, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3]);
        assert_eq!(rates(&SPEC, &[f64::NAN, f64::NAN])[1], 0.5, "NaN is never better");
    }

    #[test]
    fn less_is_better_by_a_share() {
        let spec = PlateauSpec { maximise: false, relative: true, patience: 0, cooldown: 0, ..SPEC };
        assert_eq!(rates(&spec, &[1.0, 0.95, 0.85, 0.8]), [1.0, 0.5, 0.5, 0.3]);
    }

    #[test]
    fn its_state_survives_text() {
        let mut state = Plateau::default();
        [0.1 + 0.2, 0.3].iter().for_each(|n| state.look(&SPEC, *n));
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<Plateau>(&text).unwrap(), state);
    }
}

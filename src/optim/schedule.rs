//! Learning rates by step: pure functions, so that a resumed run goes on where it was.

use std::f64::consts::PI;

use serde_json::Value;

/// How the learning rate moves. Steps (or epochs, if the caller counts those) count from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Always the same.
    Constant {
        /// The rate.
        base: f64,
    },
    /// `base / (1 + decay t)`, what Keras calls `decay`.
    InverseDecay {
        /// The rate at 0.
        base: f64,
        /// Decay a step.
        decay: f64,
    },
    /// `base gamma^floor(t / step_size)`.
    Step {
        /// The rate at 0.
        base: f64,
        /// Steps between drops.
        step_size: u64,
        /// Factor of a drop.
        gamma: f64,
    },
    /// `end + (base - end) (1 + cos(pi t / steps)) / 2`, and `end` from then on.
    Cosine {
        /// The rate at 0.
        base: f64,
        /// The last rate.
        end: f64,
        /// Steps until then.
        steps: u64,
    },
    /// Straight from `base` to `end`, and `end` from then on.
    Linear {
        /// The rate at 0.
        base: f64,
        /// The last rate.
        end: f64,
        /// Steps until then.
        steps: u64,
    },
}

impl Schedule {
    /// The learning rate of step `t`.
    pub fn lr_at(&self, t: u64) -> f64 {
        let part = |steps: u64| if t >= steps { 1.0 } else { t as f64 / steps as f64 };
        match *self {
            Self::Constant { base } => base,
            Self::InverseDecay { base, decay } => base / (1.0 + decay * t as f64),
            Self::Step { base, step_size, gamma } => base * gamma.powf((t / step_size.max(1)) as f64),
            Self::Cosine { base, end, steps } => end + (base - end) * 0.5 * (1.0 + (PI * part(steps)).cos()),
            Self::Linear { base, end, steps } => {
                let x = part(steps);
                base * (1.0 - x) + end * x
            }
        }
    }

    /// The schedule that a reference case describes: a kind (inverse_decay, step, cosine, linear, constant)
    /// with the settings in `attrs`. None for others.
    pub fn from_attrs(kind: &str, attrs: &Value) -> Option<Self> {
        let number = |key: &str| attrs.get(key)?.as_f64();
        let whole = |key: &str| attrs.get(key)?.as_u64();
        let end = || attrs.get("eta_min").map_or(Some(0.0), Value::as_f64);
        let base = number("base")?;
        Some(match kind {
            "constant" => Self::Constant { base },
            "inverse_decay" => Self::InverseDecay { base, decay: number("decay")? },
            "step" => Self::Step { base, step_size: whole("step_size")?, gamma: number("gamma")? },
            "cosine" => Self::Cosine { base, end: end()?, steps: whole("t_max")? },
            "linear" => Self::Linear { base, end: end()?, steps: whole("t_max")? },
            _ => return None,
        })
    }
}

/// A straight way up to a schedule's first rate, and then the schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    /// Steps of the way up; 0 for none.
    pub steps: u64,
    /// What follows, counted from its own first step.
    pub then: Schedule,
}

impl Warmup {
    /// The learning rate of step `t`.
    pub fn lr_at(&self, t: u64) -> f64 {
        if t < self.steps {
            return self.then.lr_at(0) * (t + 1) as f64 / self.steps as f64;
        }
        self.then.lr_at(t - self.steps)
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use serde_json::json;

    use super::*;

    #[test]
    fn warming_up_comes_first() {
        let then = Schedule::Linear { base: 2.0, end: 1.0, steps: 4 };
        let warm = Warmup { steps: 2, then };
        assert_eq!([0, 1, 2, 4, 6, 9].map(|t| warm.lr_at(t)), [1.0, 2.0, 2.0, 1.5, 1.0, 1.0]);
        assert_eq!(Warmup { steps: 0, then }.lr_at(1), then.lr_at(1));
    }

    #[test]
    fn rates_follow_their_formulas() {
        let rate = |kind: &str, attrs: Value, t: u64| Schedule::from_attrs(kind, &attrs).unwrap().lr_at(t);
        let keras = json!({"base": 1e-4, "decay": 0.01});
        assert_eq!(rate("inverse_decay", keras.clone(), 0), 1e-4);
        assert_relative_eq!(rate("inverse_decay", keras, 25), 1e-4 / 1.25, max_relative = 1e-14);
        let step = json!({"base": 1e-3, "step_size": 5, "gamma": 0.1});
        assert_eq!(rate("step", step.clone(), 4), 1e-3);
        assert_relative_eq!(rate("step", step, 14), 1e-5, max_relative = 1e-14);
        let cosine = json!({"base": 0.5, "t_max": 20, "eta_min": 0.1});
        assert_eq!(rate("cosine", cosine.clone(), 0), 0.5);
        assert_relative_eq!(rate("cosine", cosine.clone(), 10), 0.3, max_relative = 1e-14);
        assert_relative_eq!(
            rate("cosine", cosine.clone(), 5),
            0.3 + 0.2 * 0.5f64.sqrt(),
            max_relative = 1e-14
        );
        assert_relative_eq!(rate("cosine", cosine.clone(), 20), 0.1, max_relative = 1e-14);
        assert_eq!(
            rate("cosine", cosine, 31),
            rate("linear", json!({"base": 1.0, "t_max": 3, "eta_min": 0.1}), 9)
        );
        assert_relative_eq!(rate("linear", json!({"base": 2.0, "t_max": 8}), 2), 1.5, max_relative = 1e-14);
        assert_eq!(rate("linear", json!({"base": 2.0, "t_max": 0}), 0), 0.0);
        assert_eq!(Schedule::from_attrs("plateau", &json!({"base": 1.0})), None);
    }
}

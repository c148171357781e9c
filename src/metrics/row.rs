//! One line of a run's log.

/// Which part of a run a row tells about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Measured on training batches.
    Train,
    /// Measured on the validation set.
    Val,
}

impl Phase {
    /// The name in files: `train` or `val`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// One line of a run's log: when it was measured, and named numbers in the order in which they are to be
/// written.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Optimiser steps done when this was measured.
    pub step: u64,
    /// Training or validation.
    pub phase: Phase,
    /// The numbers. A key is ASCII letters, digits and `_ . / -`; NaN and infinities are allowed.
    pub values: Vec<(String, f64)>,
}

impl Row {
    /// A row without numbers.
    pub fn new(phase: Phase, epoch: u64, step: u64) -> Self {
        Self { epoch, step, phase, values: Vec::new() }
    }

    /// The row with one more number.
    #[must_use]
    pub fn with(mut self, key: &str, value: f64) -> Self {
        self.values.push((key.to_owned(), value));
        self
    }

    /// The number named `key`, if there is one.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.values.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }
}

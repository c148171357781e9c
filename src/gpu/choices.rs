//! Which form of a kernel a device is to use: what tuning found, or a table that was kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names of forms by what they compute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Choices(pub BTreeMap<String, String>);

impl Choices {
    /// The form for a key, if one was chosen.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Takes over the choices of `other`, where both have one those of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

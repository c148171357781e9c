//! The table of what tuning found on a device, as a file.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::tune::Tuned;
use crate::{
    Error, Result,
    gpu::{Choices, Context, sources},
};

/// Tables that ship with the program, by a part of the adapter's name.
const SHIPPED: [(&str, &str); 1] = [("llvmpipe", include_str!("../../assets/kernels/llvmpipe.json"))];

/// Choices of one device, with what they were made by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Name of the adapter.
    pub adapter: String,
    /// Its driver with version.
    pub driver: String,
    /// Fingerprint of the shaders that were timed.
    pub shaders: String,
    /// Forms by key.
    pub choices: Choices,
    /// Milliseconds of all forms that were timed, by key.
    #[serde(default)]
    pub times: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Fingerprint (FNV-1a, 64 bits) of all shaders: tables of other shaders say nothing of these.
fn fingerprint() -> String {
    let bytes = sources().iter().flat_map(|(name, text)| name.bytes().chain(text.bytes()));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

impl Table {
    /// An empty table for this device and these shaders.
    pub fn new(context: &Context) -> Self {
        let info = &context.info;
        Self {
            adapter: info.name.clone(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
            shaders: fingerprint(),
            choices: Choices::default(),
            times: BTreeMap::new(),
        }
    }

    /// Name of this device's file: adapter, driver and shaders.
    pub fn file_name(&self) -> String {
        let text = format!("{} {} {}.json", self.adapter, self.driver, self.shaders);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        text.chars().map(plain).collect()
    }

    /// The choices that ship with the program for this device: better guesses than the rules', though other
    /// shaders may have been timed. Forms that are no more are not taken.
    ///
    /// # Errors
    /// [`Error::Data`] if the shipped file is broken.
    pub fn shipped(context: &Context) -> Result<Choices> {
        let name = context.info.name.to_lowercase();
        let found = SHIPPED.iter().find(|(part, _)| name.contains(part));
        found.map_or_else(
            || Ok(Choices::default()),
            |(part, text)| parse(text, Path::new(part)).map(|t| t.choices),
        )
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Data`] if the file is none.
    pub fn load(path: &Path) -> Result<Self> {
        parse(&fs::read_to_string(path).map_err(Error::io(path))?, path)
    }

    /// True if it was made on this device with these shaders.
    pub fn fits(&self, context: &Context) -> bool {
        let own = Self::new(context);
        (&self.adapter, &self.driver, &self.shaders) == (&own.adapter, &own.driver, &own.shaders)
    }

    /// Takes over what tuning found.
    pub fn add(&mut self, tuned: &[Tuned]) {
        self.choices.extend(super::tune::choices(tuned));
        let timed = tuned.iter().filter(|t| !t.times.is_empty());
        let times = timed.map(|t| (t.key.clone(), t.times.iter().cloned().collect()));
        self.times.extend(times);
    }

    /// As text.
    ///
    /// # Errors
    /// [`Error::Check`] never in practice: all keys are strings.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::Check(e.to_string()))
    }
}

fn parse(text: &str, path: &Path) -> Result<Table> {
    serde_json::from_str(text).map_err(|e| Error::data(path, format!("is no table of kernels: {e}")))
}

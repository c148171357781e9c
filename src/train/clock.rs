//! How long a run takes, and on what, over all the processes that it goes through.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, gpu::Context, io::atomic::write_atomic};

/// The file of a run folder that keeps it. No checkpoint does: those of equal runs are equal.
pub(super) const FILE: &str = "clock.json";

/// Times up to the last checkpoint; what a killed process did after its own is not counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Clock {
    /// The devices and their drivers, in the order in which they took part.
    pub(super) hardware: Vec<String>,
    /// Of everything.
    seconds: f64,
    /// In training steps.
    stepping: f64,
    /// Of those, for pictures.
    waited: f64,
    #[serde(skip)]
    since: Option<Instant>,
}

impl Clock {
    /// Goes on from what a run folder has, if that is asked for.
    pub(super) fn start(folder: &Path, resume: bool, began: Instant, context: &Context) -> Self {
        let kept = if resume { fs::read(folder.join(FILE)).ok() } else { None };
        // Without it a run is no worse.
        let mut clock: Self = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        clock.since = Some(began);
        let info = &context.info;
        let name = format!("{} ({:?}, {} {})", info.name, info.backend, info.driver, info.driver_info);
        if !clock.hardware.contains(&name) {
            clock.hardware.push(name);
        }
        clock
    }

    /// Adds the time of some training steps, and what of it was waiting for pictures.
    pub(super) fn stepped(&mut self, stepping: Duration, waited: Duration) {
        self.stepping += stepping.as_secs_f64();
        self.waited += waited.as_secs_f64();
    }

    /// Seconds until now.
    pub(super) fn seconds(&mut self) -> f64 {
        let now = Instant::now();
        let since = self.since.replace(now).unwrap_or(now);
        self.seconds += (now - since).as_secs_f64();
        self.seconds
    }

    /// Part of the time of its training steps in which they waited for pictures.
    pub(super) fn waited(&self) -> f64 {
        self.waited / self.stepping.max(1e-9)
    }

    /// Writes it to a run folder.
    pub(super) fn save(&mut self, folder: &Path) -> Result<()> {
        self.seconds();
        let json = serde_json::to_vec_pretty(self).map_err(|e| Error::Check(format!("{FILE}: {e}")))?;
        write_atomic(folder.join(FILE), &json)
    }
}

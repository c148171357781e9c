//! How long a run takes, and on what, over all the processes that it goes through.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use wgpu::AdapterInfo;

use crate::{Error, Result, io::atomic::write_atomic};

/// The file of a run folder that keeps it. No checkpoint does: those of equal runs are equal.
pub(super) const FILE: &str = "clock.json";

/// Times up to the last checkpoint; what a killed process did after its own is not counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Clock {
    /// The devices that took steps, with their drivers, in the order in which they took part.
    pub(super) hardware: Vec<String>,
    /// Of everything.
    seconds: f64,
    /// In training steps.
    stepping: f64,
    /// Of those, for pictures.
    waited: f64,
    /// Until when `seconds` counts.
    #[serde(skip)]
    counted: Option<Instant>,
    /// Until when `stepping` counts, while steps are taken.
    #[serde(skip)]
    stepped: Option<Instant>,
    /// That of this process.
    #[serde(skip)]
    device: String,
}

impl Clock {
    /// Goes on from what a run folder has, if that is asked for.
    pub(super) fn start(folder: &Path, resume: bool, began: Instant, device: String) -> Self {
        let kept = if resume { fs::read(folder.join(FILE)).ok() } else { None };
        // Without it a run is no worse.
        let clock: Self = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { counted: Some(began), device, ..clock }
    }

    /// Steps are taken from now on.
    pub(super) fn enter_steps(&mut self) {
        self.stepped = Some(Instant::now());
        if !self.hardware.contains(&self.device) {
            self.hardware.push(self.device.clone());
        }
    }

    /// A step waited for its pictures.
    pub(super) fn waited_for(&mut self, time: Duration) {
        self.waited += time.as_secs_f64();
    }

    /// No steps are taken for a while.
    pub(super) fn leave_steps(&mut self) {
        self.count();
        self.stepped = None;
    }

    fn count(&mut self) {
        let now = Instant::now();
        self.seconds += self.counted.replace(now).map_or(0.0, |since| (now - since).as_secs_f64());
        if let Some(since) = &mut self.stepped {
            self.stepping += (now - *since).as_secs_f64();
            *since = now;
        }
    }

    /// Seconds until the last count.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Part of the time of its training steps in which they waited for pictures.
    pub(super) fn share_waited(&self) -> f64 {
        self.waited / self.stepping.max(1e-9)
    }

    /// Writes it to a run folder.
    pub(super) fn save(&mut self, folder: &Path) -> Result<()> {
        self.count();
        let json = serde_json::to_vec_pretty(self).map_err(|e| Error::Check(format!("{FILE}: {e}")))?;
        write_atomic(folder.join(FILE), &json)
    }
}

/// A device and its driver in a line.
pub(super) fn device(info: &AdapterInfo) -> String {
    format!("{} ({:?}, {} {})", info.name, info.backend, info.driver, info.driver_info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_several_processes_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let ago = |seconds| Instant::now() - Duration::from_secs(seconds);
        let mut first = Clock::start(folder.path(), false, ago(100), "a".into());
        first.enter_steps();
        first.stepped = Some(ago(40));
        first.waited_for(Duration::from_secs(10));
        first.save(folder.path()).unwrap();
        let mut second = Clock::start(folder.path(), true, ago(20), "b".into());
        second.enter_steps();
        second.stepped = Some(ago(10));
        second.leave_steps();
        assert_eq!(second.hardware, ["a", "b"]);
        assert!((second.seconds() - 120.0).abs() < 1.0, "{second:?}");
        assert!((second.share_waited() - 0.2).abs() < 0.01, "{second:?}");
        second.save(folder.path()).unwrap();
        assert!((second.share_waited() - 0.2).abs() < 0.01, "no steps, no time for them");
        assert!(Clock::start(folder.path(), false, ago(0), String::new()).seconds() == 0.0);
    }
}

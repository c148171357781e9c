//! Shifting and scaling of picture values before they reach the network.

use serde::{Deserialize, Serialize};

use super::picture::Picture;
use crate::{Error, Result};

/// Deviations below this are those of a flat picture; dividing by them would only amplify rounding.
const FLAT: f64 = 1e-6;

/// How picture values are brought to the network's scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// As read: 0..1.
    #[default]
    Unit,
    /// `(value - mean) / std` with fixed numbers, in units of 0..1; one for all channels or one a channel.
    MeanStd {
        /// Subtracted.
        mean: Vec<f32>,
        /// Divided by; above 0.
        std: Vec<f32>,
    },
    /// `(value - mean) / std` with each whole picture's own mean and deviation, channel by channel. A flat
    /// channel becomes 0.
    ZScore,
    /// From each whole picture's least value to its largest, all channels together, to 0..1. A flat picture
    /// becomes 0.
    MinMax,
}

impl Normalise {
    /// Checks the numbers against the pictures' channels.
    ///
    /// # Errors
    /// [`Error::Config`] where there are neither one nor `channels` means and deviations, or one is unusable.
    pub fn check(&self, channels: usize) -> Result<()> {
        let Self::MeanStd { mean, std } = self else { return Ok(()) };
        for (name, values) in [("mean", mean), ("std", std)] {
            if values.len() != 1 && values.len() != channels {
                let message = format!("normalise: {} values of {name} for {channels} channels", values.len());
                return Err(Error::Config(message));
            }
        }
        if mean.iter().chain(std).any(|v| !v.is_finite()) || std.iter().any(|v| *v <= 0.0) {
            return Err(Error::Config("normalise: mean and std must be finite and std above 0".into()));
        }
        Ok(())
    }

    /// Normalises `picture` in place.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn apply(&self, picture: &mut Picture) -> Result<()> {
        self.check(picture.channels)?;
        let channels = picture.channels;
        match self {
            Self::Unit => {}
            Self::MeanStd { mean, std } => {
                for c in 0..channels {
                    let (mean, scale) = (mean[c % mean.len()], 1.0 / std[c % std.len()]);
                    channel(picture, c).for_each(|v| *v = (*v - mean) * scale);
                }
            }
            Self::ZScore => (0..channels).for_each(|c| standardise(picture, c)),
            Self::MinMax => stretch(picture),
        }
        Ok(())
    }
}

fn channel(picture: &mut Picture, c: usize) -> impl Iterator<Item = &mut f32> {
    picture.data.iter_mut().skip(c).step_by(picture.channels)
}

fn standardise(picture: &mut Picture, c: usize) {
    let values = || picture.data.iter().skip(c).step_by(picture.channels).map(|v| f64::from(*v));
    let n = (picture.width * picture.height) as f64;
    let mean = values().sum::<f64>() / n;
    let std = (values().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let scale = if std < FLAT { 0.0 } else { 1.0 / std };
    channel(picture, c).for_each(|v| *v = ((f64::from(*v) - mean) * scale) as f32);
}

fn stretch(picture: &mut Picture) {
    let ends =
        picture.data.iter().fold([f32::INFINITY, f32::NEG_INFINITY], |e, v| [e[0].min(*v), e[1].max(*v)]);
    let [least, most] = ends.map(f64::from);
    let scale = if most - least < FLAT { 0.0 } else { 1.0 / (most - least) };
    picture.data.iter_mut().for_each(|v| *v = ((f64::from(*v) - least) * scale) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture { width: 2, height: 1, channels: 3, data: vec![0.0, 0.5, 0.25, 1.0, 0.5, 0.75] }
    }

    #[test]
    fn fixed_numbers_apply_to_their_channel() {
        let mut p = picture();
        let normalise = Normalise::MeanStd { mean: vec![0.5, 0.25, 0.0], std: vec![0.5] };
        normalise.apply(&mut p).unwrap();
        assert_eq!(p.data, vec![-1.0, 0.5, 0.5, 1.0, 0.5, 1.5]);
        let mut p = picture();
        Normalise::Unit.apply(&mut p).unwrap();
        assert_eq!(p, picture());
    }

    #[test]
    fn z_scores_are_per_channel_and_flat_is_zero() {
        let mut p = picture();
        Normalise::ZScore.apply(&mut p).unwrap();
        let expected = [-1.0, 0.0, -1.0, 1.0, 0.0, 1.0];
        assert!(p.data.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", p.data);
    }

    #[test]
    fn least_and_largest_of_all_channels_become_0_and_1() {
        let data = vec![-4.0, 0.0, 1.0, 4.0, 2.0, -3.0];
        let mut p = Picture { data, ..picture() };
        Normalise::MinMax.apply(&mut p).unwrap();
        assert_eq!(p.data, vec![0.0, 0.5, 0.625, 1.0, 0.75, 0.125]);
        let mut flat = Picture { data: vec![0.7; 6], ..picture() };
        Normalise::MinMax.apply(&mut flat).unwrap();
        assert_eq!(flat.data, vec![0.0; 6]);
    }

    #[test]
    fn unusable_numbers_are_refused() {
        let check =
            |mean: &[f32], std: &[f32]| Normalise::MeanStd { mean: mean.into(), std: std.into() }.check(3);
        assert!(check(&[0.0], &[1.0, 1.0, 1.0]).is_ok());
        assert!(check(&[0.0, 0.0], &[1.0]).is_err());
        assert!(check(&[0.0], &[0.0]).is_err());
        assert!(check(&[f32::NAN], &[1.0]).is_err());
        assert!(check(&[], &[1.0]).is_err());
    }
}

//! Made-up X-ray angiograms with exact masks: vessels, a catheter, and what lies behind them. Synthetic: they look
//! like coronary angiograms and come from no patient, and no score on them says anything of real ones.

mod backdrop;
mod tubes;

use glam::Vec2;

use self::{backdrop::Backdrop, tubes::Tube};
use super::mask::Mask;
use super::picture::{Picture, check_channels};
use super::random::{Purpose, between, keyed, normal_pair};
use super::sample::{Dataset, Sample};
use super::series::{Place, Series};
use crate::{Error, Result};

/// Mask value of vessels.
const VESSEL: u8 = 2;
/// Mask value of the catheter, also where it covers a vessel.
const CATHETER: u8 = 1;
/// Radius that absorbs as `Scene::contrast` says, as a share of the side.
const THICK: f32 = 0.01;

/// Which angiograms to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AngiographyOptions {
    /// Pixels a side, 32 to 4096.
    pub size: usize,
    /// 1, or 3 equal ones.
    pub channels: usize,
    /// Number of samples; those of `val` and `test` come behind them.
    pub count: usize,
    /// Samples of a second series, for validation.
    pub val: usize,
    /// Samples of a third series, for the test.
    pub test: usize,
    /// A sample depends on this, the size, its series and its place there alone. The scene does not depend on the
    /// size; the grain does.
    pub seed: u64,
}

impl Default for AngiographyOptions {
    fn default() -> Self {
        Self { size: 512, channels: 1, count: 200, val: 0, test: 0, seed: 0 }
    }
}

/// A seeded data set of synthetic angiograms: background (0), catheter (1), vessels (2), as the
/// public sample of real ones has them.
#[derive(Debug, Clone)]
pub struct AngiographyDataset {
    options: AngiographyOptions,
    series: Series,
}

impl AngiographyDataset {
    /// Background, catheter and vessels.
    pub const CLASSES: usize = 3;

    /// # Errors
    /// [`Error::Config`] where an option is outside what its description says, or `count` is 0.
    pub fn new(options: AngiographyOptions) -> Result<Self> {
        check_channels(options.channels)?;
        let AngiographyOptions { size, count, .. } = options;
        if !(32..=4096).contains(&size) || count == 0 {
            let message = format!("angiography: size {size} (32 to 4096), count {count} (above 0)");
            return Err(Error::Config(message));
        }
        let series = Series::new("angiogram", [count, options.val, options.test]);
        Ok(Self { options, series })
    }

    /// What it was made with.
    pub fn options(&self) -> &AngiographyOptions {
        &self.options
    }
}

impl Dataset for AngiographyDataset {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn id(&self, i: usize) -> &str {
        self.series.id(i)
    }

    fn size(&self, _: usize) -> (usize, usize) {
        (self.options.size, self.options.size)
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let Place { id, series, number } = self.series.place(i)?;
        let mut rng = keyed(Purpose::Angiography, self.options.seed, number, series);
        let scene = Scene::random(&mut rng);
        let size = self.options.size;
        let (depth, mask) = scene.tubes(size);
        let mut gray = scene.expose(size, &depth);
        for values in gray.chunks_mut(2) {
            // The fewer quanta arrive, the more they vary for their number.
            let drawn = normal_pair(&mut rng);
            values.iter_mut().zip(drawn).for_each(|(v, n)| {
                *v = (*v + scene.grain * v.max(0.0).sqrt() * n).clamp(0.0, 1.0);
            });
        }
        let channels = self.options.channels;
        let data = gray.iter().flat_map(|v| std::iter::repeat_n(*v, channels)).collect();
        let picture = Picture { width: size, height: size, channels, data };
        Ok(Sample { id, picture, mask: Mask { width: size, height: size, data: mask } })
    }

    fn channels(&self) -> usize {
        self.options.channels
    }

    fn classes(&self) -> usize {
        Self::CLASSES
    }
}

/// An angiogram before it has pixels: the unit square, y down.
struct Scene {
    backdrop: Backdrop,
    vessels: Vec<Tube>,
    catheter: Tube,
    /// Share of the light that a vessel of radius [`THICK`] takes.
    contrast: f32,
    /// What the catheter takes, of what a vessel of its width would.
    filled: f32,
    /// Deviation of the noise where the picture is white.
    grain: f32,
}

impl Scene {
    fn random(rng: &mut rand_chacha::ChaCha8Rng) -> Self {
        let ostium = Vec2::new(between(rng, 0.22, 0.5), between(rng, 0.16, 0.38));
        let vessels = tubes::vessels(rng, ostium);
        let catheter = tubes::catheter(rng, ostium);
        Self {
            backdrop: Backdrop::random(rng),
            vessels,
            catheter,
            contrast: between(rng, 0.34, 0.52),
            filled: between(rng, 0.75, 1.1),
            grain: between(rng, 0.02, 0.045),
        }
    }

    /// How much of the light each pixel loses to vessels and catheter, as an exponent, and the mask.
    fn tubes(&self, size: usize) -> (Vec<f32>, Vec<u8>) {
        let (mut depth, mut mask) = (vec![0.0f32; size * size], vec![0u8; size * size]);
        let full = -(1.0 - self.contrast).ln();
        // Small vessels are better filled than their width alone would make them look.
        let absorbed = |chord: f32| full * (chord / THICK).powf(0.7);
        for vessel in &self.vessels {
            vessel.draw(size, |at, chord| {
                mask[at] = VESSEL;
                depth[at] = depth[at].max(absorbed(chord));
            });
        }
        self.catheter.draw(size, |at, chord| {
            mask[at] = CATHETER;
            depth[at] = depth[at].max(self.filled * absorbed(chord));
        });
        (depth, mask)
    }

    /// The picture without noise.
    fn expose(&self, size: usize, depth: &[f32]) -> Vec<f32> {
        let place = |i: usize| (Vec2::new((i % size) as f32, (i / size) as f32) + 0.5) / size as f32;
        depth.iter().enumerate().map(|(i, depth)| self.backdrop.at(place(i)) * (-depth).exp()).collect()
    }
}

#[cfg(test)]
mod tests;

//! Whole pictures of any size, resized or tile by tile.

use std::path::Path;

use super::Predictor;
use crate::{
    Error, Result,
    data::{Fit, Grain, Mask, Normalise, Picture, starts, write_gray16},
    metrics::Confusion,
    ops::ConfusionCounts,
};

/// Probabilities of a whole picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Probabilities {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 for a binary model, else one a class.
    pub channels: usize,
    /// Rows first, channels last.
    pub data: Vec<f32>,
}

impl Probabilities {
    /// The mask: class 1 from `threshold` up for a binary model, else the most probable class.
    pub fn mask(&self, threshold: f32) -> Mask {
        let class = |p: &[f32]| match p {
            [p] => u8::from(*p >= threshold),
            _ => p.iter().enumerate().fold(0, |best, (i, v)| if *v > p[best] { i } else { best }) as u8,
        };
        let data = self.data.chunks_exact(self.channels).map(class).collect();
        Mask { width: self.width, height: self.height, data }
    }

    /// Writes the probabilities of one class in 16 bits, 65535 for certainty, as TIFF where `path` ends in .tif, else as PNG.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where the file cannot be written.
    pub fn write_gray16(&self, class: usize, path: &Path) -> Result<()> {
        let plane = self.data.iter().skip(class).step_by(self.channels);
        let values: Vec<u16> = plane.map(|p| (p.clamp(0.0, 1.0) * 65535.0).round() as u16).collect();
        write_gray16(path, self.width, self.height, &values)
    }

    /// The bytes of a NumPy file, f32, `[height, width, classes]`.
    pub fn npy(&self) -> Vec<u8> {
        let Self { width, height, channels, .. } = self;
        let head =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({height}, {width}, {channels}), }}");
        // Magic, version and length take ten bytes; all of them and the head are a multiple of 64, a line break last.
        let length = (10 + head.len() + 1).next_multiple_of(64) - 10;
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(format!("{head:<width$}\n", width = length - 1).bytes());
        bytes.extend(self.data.iter().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    /// At another size: bilinear, class by class.
    ///
    /// # Errors
    /// [`Error::Config`] for a size that cannot be.
    pub fn resize(self, width: usize, height: usize) -> Result<Self> {
        if (width, height) == (self.width, self.height) {
            return Ok(self);
        }
        let mut data = vec![0.0; width * height * self.channels];
        for c in 0..self.channels {
            let plane = self.data.iter().skip(c).step_by(self.channels).copied().collect();
            let plane = Picture { width: self.width, height: self.height, channels: 1, data: plane };
            let resized = plane.resize(width, height)?.data;
            data.iter_mut().skip(c).step_by(self.channels).zip(resized).for_each(|(to, v)| *to = v);
        }
        Ok(Self { width, height, channels: self.channels, data })
    }
}

/// What makes probabilities of whole pictures.
pub trait Mapper {
    /// Probabilities at the picture's own size, of the picture with noise where there is any: after resizing and before
    /// scaling, as in training.
    ///
    /// # Errors
    /// What the device raises.
    fn map(&mut self, picture: &Picture, noise: Option<Grain>) -> Result<Probabilities>;

    /// Counts truth against prediction on the device, where that gives the counts of the map's mask; `None` elsewhere.
    ///
    /// # Errors
    /// What the device raises.
    fn confusion(
        &mut self,
        _picture: &Picture,
        _truth: &Mask,
        _threshold: f32,
        _noise: Option<Grain>,
    ) -> Result<Option<Confusion>> {
        Ok(None)
    }
}

/// How a picture is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Looks {
    /// Share of a tile's side that it has in common with the next, at least; below 1.
    pub overlap: f64,
    /// Where tiles overlap each counts by a Gaussian around its middle, with a deviation of an eighth of its side;
    /// else all count alike.
    pub gaussian: bool,
    /// Every tile is also seen flipped across, down, and both, and the four are averaged.
    pub flips: bool,
}

impl Default for Looks {
    fn default() -> Self {
        Self { overlap: 0.25, gaussian: true, flips: false }
    }
}

impl Looks {
    /// Weight of a tile's pixels along one axis. Never zero, as a pixel may be in one tile alone.
    fn weights(&self, size: usize) -> Vec<f32> {
        let middle = (size as f64 - 1.0) / 2.0;
        let away = |i: usize| (i as f64 - middle) / (size as f64 / 8.0);
        let weight =
            |i: usize| if self.gaussian { (-0.5 * away(i).powi(2)).exp().max(1e-3) as f32 } else { 1.0 };
        (0..size).map(weight).collect()
    }
}

/// Predicts whole pictures with a model of fixed input size, or with several whose probabilities are averaged.
pub struct Whole {
    predictors: Vec<Predictor>,
    fit: Fit,
    normalise: Normalise,
    batch: usize,
    looks: Looks,
}

impl Whole {
    /// `fit` and `normalise` as in training; `batch` tiles go to the device at once. The predictors, one at least, take
    /// and make the same shapes.
    pub fn new(predictors: Vec<Predictor>, fit: Fit, normalise: Normalise, batch: usize) -> Self {
        Self { predictors, fit, normalise, batch: batch.max(1), looks: Looks::default() }
    }

    /// Looks at pictures in this way.
    #[must_use]
    pub fn looking(self, looks: Looks) -> Self {
        Self { looks, ..self }
    }

    /// Probabilities at the picture's own size.
    ///
    /// # Errors
    /// [`Error::Config`] without a predictor; what the device raises.
    pub fn predict(&mut self, picture: &Picture) -> Result<Probabilities> {
        self.predict_with(picture, None)
    }

    /// As [`Self::predict`], of the picture with noise where there is any: after resizing and before scaling, as in
    /// training.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn predict_with(&mut self, picture: &Picture, noise: Option<Grain>) -> Result<Probabilities> {
        if self.predictors.is_empty() {
            return Err(Error::Config("there are no weights to predict with".into()));
        }
        let seen = self.fit.prepare_picture(picture.clone(), &self.normalise, noise)?;
        match self.fit {
            Fit::Resize { width, height } => {
                let channels = self.classes();
                let data = self.probabilities(&seen.data, 1, [height, width])?;
                let map = Probabilities { width, height, channels, data };
                map.resize(picture.width, picture.height)
            }
            Fit::Tile { size, .. } => self.tiles(&seen, [picture.width, picture.height], size),
        }
    }

    fn classes(&self) -> usize {
        self.predictors.first().map_or(1, |p| p.model().out_channels)
    }

    /// Probabilities of `n` pictures of `size` (height, width), averaged over all models and flips.
    fn probabilities(&mut self, pixels: &[f32], n: usize, size: [usize; 2]) -> Result<Vec<f32>> {
        if let ([only], false) = (self.predictors.as_mut_slice(), self.looks.flips) {
            return only.predict(pixels, n);
        }
        let all = [(false, false), (true, false), (false, true), (true, true)];
        let flips = &all[..if self.looks.flips { 4 } else { 1 }];
        let share = 1.0 / (flips.len() * self.predictors.len()) as f32;
        let mut sum: Vec<f32> = Vec::new();
        for &(across, down) in flips {
            let seen = flipped(pixels, size, n, across, down);
            for predictor in &mut self.predictors {
                let made = flipped(&predictor.predict(&seen, n)?, size, n, across, down);
                sum.resize(made.len(), 0.0);
                sum.iter_mut().zip(made).for_each(|(to, v)| *to += share * v);
            }
        }
        // Shares may add up to just above one.
        sum.iter_mut().for_each(|v| *v = v.min(1.0));
        Ok(sum)
    }

    /// Tiles that overlap, weighed where they do; the padding is left out again.
    fn tiles(&mut self, picture: &Picture, [w, h]: [usize; 2], size: usize) -> Result<Probabilities> {
        let stride = ((size as f64 * (1.0 - self.looks.overlap)) as usize).clamp(1, size);
        let corners: Vec<(usize, usize)> = starts(picture.height, size, stride)
            .into_iter()
            .flat_map(|y| starts(picture.width, size, stride).into_iter().map(move |x| (y, x)))
            .collect();
        let (channels, weights) = (self.classes(), self.looks.weights(size));
        let mut sum = vec![0.0f32; w * h * channels];
        let mut whole = vec![0.0f32; w * h];
        for chunk in corners.chunks(self.batch) {
            let mut pixels: Vec<f32> = chunk.iter().flat_map(|&(y, x)| window(picture, x, y, size)).collect();
            // The last batch is filled up, so that one plan serves all.
            pixels.resize(self.batch * size * size * picture.channels, 0.0);
            let predicted = self.probabilities(&pixels, self.batch, [size; 2])?;
            for (tile, &(y0, x0)) in predicted.chunks_exact(size * size * channels).zip(chunk) {
                for y in y0..(y0 + size).min(h) {
                    for x in x0..(x0 + size).min(w) {
                        let weight = weights[y - y0] * weights[x - x0];
                        let from = ((y - y0) * size + x - x0) * channels;
                        let to = y * w + x;
                        whole[to] += weight;
                        for c in 0..channels {
                            sum[to * channels + c] += weight * tile[from + c];
                        }
                    }
                }
            }
        }
        for (pixel, weight) in sum.chunks_exact_mut(channels).zip(whole) {
            // Weights that add up to their own sum may round to just above it.
            pixel.iter_mut().for_each(|v| *v = (*v / weight).min(1.0));
        }
        Ok(Probabilities { width: w, height: h, channels, data: sum })
    }
}

impl Mapper for Whole {
    fn map(&mut self, picture: &Picture, noise: Option<Grain>) -> Result<Probabilities> {
        self.predict_with(picture, noise)
    }

    /// One model, looking once, at a picture that is not resized.
    fn confusion(
        &mut self,
        picture: &Picture,
        truth: &Mask,
        threshold: f32,
        noise: Option<Grain>,
    ) -> Result<Option<Confusion>> {
        let (classes, flips) = (self.classes().max(2), self.looks.flips);
        let whole = self.fit == Fit::Resize { width: picture.width, height: picture.height };
        let few = classes <= ConfusionCounts::MOST_CLASSES;
        let ([predictor], true) = (self.predictors.as_mut_slice(), whole && !flips && few) else {
            return Ok(None);
        };
        let seen = self.fit.prepare_picture(picture.clone(), &self.normalise, noise)?;
        let counts = predictor.counts(&seen.data, &truth.data, 1, threshold)?;
        Confusion::from_counts(classes, &counts).map(Some)
    }
}

/// `n` pictures of `size` (height, width) with any number of channels, each flipped.
fn flipped(data: &[f32], [h, w]: [usize; 2], n: usize, across: bool, down: bool) -> Vec<f32> {
    if !across && !down {
        return data.to_vec();
    }
    let channels = data.len() / (n * h * w).max(1);
    let source = |i: usize| {
        let (picture, y, x) = (i / (h * w), i / w % h, i % w);
        let (y, x) = (if down { h - 1 - y } else { y }, if across { w - 1 - x } else { x });
        let at = ((picture * h + y) * w + x) * channels;
        data[at..at + channels].iter().copied()
    };
    (0..n * h * w).flat_map(source).collect()
}

/// A square window.
fn window(picture: &Picture, x0: usize, y0: usize, size: usize) -> Vec<f32> {
    let row = |y: usize| ((y * picture.width + x0) * picture.channels, size * picture.channels);
    (y0..y0 + size).map(row).flat_map(|(at, n)| picture.data[at..at + n].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, ShapesDataset, ShapesOptions};

    /// What the network sees of a picture is the same in training and in prediction.
    #[test]
    fn pictures_are_prepared_as_in_training() {
        let data = ShapesDataset::new(ShapesOptions { size: 40, count: 1, ..Default::default() }).unwrap();
        let sample = data.load(0).unwrap();
        let given = Normalise::MeanStd { mean: vec![0.5], std: vec![0.1] };
        for normalise in [Normalise::Unit, Normalise::ZScore, given] {
            for fit in [Fit::Resize { width: 16, height: 24 }, Fit::Tile { size: 64, stride: 64 }] {
                let trained = fit.prepare(sample.clone(), &normalise).unwrap().picture;
                let predicted = fit.prepare_picture(sample.picture.clone(), &normalise, None).unwrap();
                assert_eq!(trained, predicted);
                let spread = predicted.data.iter().fold(0.0f32, |a, v| a.max(v.abs()));
                assert!(normalise == Normalise::Unit || spread > 1.0, "{normalise:?} is lost in {fit:?}");
            }
        }
    }

    #[test]
    fn flips_undo_themselves() {
        let data: Vec<f32> = (0..2 * 3 * 4 * 2).map(|v| v as f32).collect();
        for (across, down) in [(true, false), (false, true), (true, true)] {
            let once = flipped(&data, [3, 4], 2, across, down);
            assert_ne!(once, data);
            assert_eq!(flipped(&once, [3, 4], 2, across, down), data);
        }
        assert_eq!(flipped(&data, [3, 4], 2, true, false)[..4], [6.0, 7.0, 4.0, 5.0]);
    }

    #[test]
    fn tiles_weigh_most_in_their_middle() {
        let even = Looks { gaussian: false, ..Looks::default() }.weights(8);
        assert_eq!(even, [1.0; 8]);
        let weights = Looks::default().weights(8);
        assert!(weights[3] == weights[4] && weights[3] > weights[2] && weights[0] >= 1e-3);
    }

    #[test]
    fn numpy_files_have_their_head() {
        let map = Probabilities { width: 2, height: 1, channels: 1, data: vec![0.5, 1.0] };
        let bytes = map.npy();
        assert_eq!((bytes.len() % 64, bytes[..8].to_vec()), (8, b"\x93NUMPY\x01\x00".to_vec()));
        let head = String::from_utf8_lossy(&bytes[10..bytes.len() - 8]).into_owned();
        assert!(head.contains("(1, 2, 1)") && head.ends_with('\n'), "{head:?}");
        assert_eq!(bytes[bytes.len() - 4..], 1.0f32.to_le_bytes());
    }

    #[test]
    fn masks_by_threshold_and_by_class() {
        let p = Probabilities { width: 2, height: 1, channels: 1, data: vec![0.5, 0.49] };
        assert_eq!(p.mask(0.5).data, [1, 0]);
        let p = Probabilities { width: 2, height: 1, channels: 3, data: vec![0.2, 0.5, 0.3, 0.4, 0.4, 0.2] };
        assert_eq!(p.mask(0.5).data, [1, 0]);
    }
}

//! Whole pictures of any size, resized or tile by tile.

use super::Predictor;
use crate::{
    Result,
    data::{Fit, Mask, Normalise, Picture, starts},
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

    /// Bilinear, class by class.
    fn resize(&self, width: usize, height: usize) -> Result<Self> {
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

/// Predicts whole pictures with a model of fixed input size.
pub struct Whole {
    predictor: Predictor,
    fit: Fit,
    normalise: Normalise,
    batch: usize,
}

impl Whole {
    /// `fit` and `normalise` as in training; `batch` tiles go to the device at once.
    pub fn new(predictor: Predictor, fit: Fit, normalise: Normalise, batch: usize) -> Self {
        Self { predictor, fit, normalise, batch: batch.max(1) }
    }

    /// Probabilities at the picture's own size.
    ///
    /// # Errors
    /// What the device raises.
    pub fn predict(&mut self, picture: &Picture) -> Result<Probabilities> {
        let seen = self.fit.prepare_picture(picture.clone(), &self.normalise)?;
        match self.fit {
            Fit::Resize { width, height } => {
                let channels = self.predictor.model().out_channels;
                let data = self.predictor.predict(&seen.data, 1)?;
                let map = Probabilities { width, height, channels, data };
                map.resize(picture.width, picture.height)
            }
            Fit::Tile { size, .. } => self.tiles(&seen, [picture.width, picture.height], size),
        }
    }

    /// Tiles that overlap by at least a quarter, averaged where they do; the padding is left out again.
    fn tiles(&mut self, picture: &Picture, [w, h]: [usize; 2], size: usize) -> Result<Probabilities> {
        let stride = (size * 3 / 4).max(1);
        let corners: Vec<(usize, usize)> = starts(picture.height, size, stride)
            .into_iter()
            .flat_map(|y| starts(picture.width, size, stride).into_iter().map(move |x| (y, x)))
            .collect();
        let channels = self.predictor.model().out_channels;
        let mut sum = vec![0.0f32; w * h * channels];
        let mut count = vec![0.0f32; w * h];
        for chunk in corners.chunks(self.batch) {
            let mut pixels: Vec<f32> = chunk.iter().flat_map(|&(y, x)| window(picture, x, y, size)).collect();
            // The last batch is filled up, so that one plan serves all.
            pixels.resize(self.batch * size * size * picture.channels, 0.0);
            let predicted = self.predictor.predict(&pixels, self.batch)?;
            for (tile, &(y0, x0)) in predicted.chunks_exact(size * size * channels).zip(chunk) {
                for y in y0..(y0 + size).min(h) {
                    for x in x0..(x0 + size).min(w) {
                        let from = ((y - y0) * size + x - x0) * channels;
                        let to = y * w + x;
                        count[to] += 1.0;
                        for c in 0..channels {
                            sum[to * channels + c] += tile[from + c];
                        }
                    }
                }
            }
        }
        for (pixel, n) in sum.chunks_exact_mut(channels).zip(count) {
            pixel.iter_mut().for_each(|v| *v /= n);
        }
        Ok(Probabilities { width: w, height: h, channels, data: sum })
    }
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
                let predicted = fit.prepare_picture(sample.picture.clone(), &normalise).unwrap();
                assert_eq!(trained, predicted);
                let spread = predicted.data.iter().fold(0.0f32, |a, v| a.max(v.abs()));
                assert!(normalise == Normalise::Unit || spread > 1.0, "{normalise:?} is lost in {fit:?}");
            }
        }
    }

    #[test]
    fn masks_by_threshold_and_by_class() {
        let p = Probabilities { width: 2, height: 1, channels: 1, data: vec![0.5, 0.49] };
        assert_eq!(p.mask(0.5).data, [1, 0]);
        let p = Probabilities { width: 2, height: 1, channels: 3, data: vec![0.2, 0.5, 0.3, 0.4, 0.4, 0.2] };
        assert_eq!(p.mask(0.5).data, [1, 0]);
    }
}

//! Whole pictures of any size, resized or tile by tile.

use super::Predictor;
use crate::{
    Result,
    data::{Fit, Mask, Normalise, Picture},
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
        let mut picture = picture.clone();
        self.normalise.apply(&mut picture)?;
        match self.fit {
            Fit::Resize { width, height } => {
                let small = picture.resize(width, height)?;
                let channels = self.predictor.model().out_channels;
                let data = self.predictor.predict(&small.data, 1)?;
                let map = Probabilities { width, height, channels, data };
                map.resize(picture.width, picture.height)
            }
            Fit::Tile { size, .. } => self.tiles(&picture, size),
        }
    }

    /// Tiles that overlap by at least a quarter, averaged where they do.
    fn tiles(&mut self, picture: &Picture, size: usize) -> Result<Probabilities> {
        let stride = (size * 3 / 4).max(1);
        let corners: Vec<(usize, usize)> = starts(picture.height, size, stride)
            .into_iter()
            .flat_map(|y| starts(picture.width, size, stride).into_iter().map(move |x| (y, x)))
            .collect();
        let (w, h, channels) = (picture.width, picture.height, self.predictor.model().out_channels);
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

/// First positions of windows that cover `length`; the last ends with it.
fn starts(length: usize, size: usize, stride: usize) -> Vec<usize> {
    let last = length.saturating_sub(size);
    (0..last).step_by(stride).chain([last]).collect()
}

/// A square window; past the picture's end it is mirrored.
fn window(picture: &Picture, x0: usize, y0: usize, size: usize) -> Vec<f32> {
    let mut data = Vec::with_capacity(size * size * picture.channels);
    for y in y0..y0 + size {
        for x in x0..x0 + size {
            let at =
                (mirror(y, picture.height) * picture.width + mirror(x, picture.width)) * picture.channels;
            data.extend_from_slice(&picture.data[at..at + picture.channels]);
        }
    }
    data
}

/// Reflects without repeating the border.
fn mirror(i: usize, length: usize) -> usize {
    let period = (2 * length).saturating_sub(2).max(1);
    let i = i % period;
    if i < length { i } else { period - i }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_and_end_with_the_picture() {
        assert_eq!(starts(512, 128, 96), [0, 96, 192, 288, 384]);
        assert_eq!(starts(500, 128, 96), [0, 96, 192, 288, 372]);
        assert_eq!(starts(100, 128, 96), [0]);
    }

    #[test]
    fn reflection_keeps_inside() {
        assert_eq!((0..9).map(|i| mirror(i, 3)).collect::<Vec<_>>(), [0, 1, 2, 1, 0, 1, 2, 1, 0]);
        assert_eq!((0..4).map(|i| mirror(i, 1)).collect::<Vec<_>>(), [0; 4]);
    }

    #[test]
    fn masks_by_threshold_and_by_class() {
        let p = Probabilities { width: 2, height: 1, channels: 1, data: vec![0.5, 0.49] };
        assert_eq!(p.mask(0.5).data, [1, 0]);
        let p = Probabilities { width: 2, height: 1, channels: 3, data: vec![0.2, 0.5, 0.3, 0.4, 0.4, 0.2] };
        assert_eq!(p.mask(0.5).data, [1, 0]);
    }
}

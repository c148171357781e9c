//! From pictures of any size to windows of one size.

use serde::{Deserialize, Serialize};

use super::mask::Mask;
use super::noise::Grain;
use super::normalise::Normalise;
use super::picture::Picture;
use super::sample::{Dataset, Sample};
use crate::{Error, Result};

/// How pictures are brought to the network's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The whole picture, resized; the aspect ratio is not kept. Masks are resized to the nearest pixel.
    Resize {
        /// Pixels a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// Square windows at full resolution. The last window of a row or column is moved inward to end at the
    /// border. Pictures smaller than a window are continued by reflection to the right and below, and their
    /// masks with them.
    Tile {
        /// Pixels a side.
        size: usize,
        /// Pixels from a window to the next, at most `size`.
        stride: usize,
    },
}

/// One window of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Crop {
    /// Index of the sample.
    pub item: usize,
    /// The window's left column in the sample's picture.
    pub x: usize,
    /// The window's top row.
    pub y: usize,
}

impl Fit {
    /// Height and width of every window, in pixels.
    pub fn size(&self) -> (usize, usize) {
        match *self {
            Self::Resize { width, height } => (height, width),
            Self::Tile { size, .. } => (size, size),
        }
    }

    /// # Errors
    /// [`Error::Config`] where a side or the stride is 0, or the stride would skip pixels.
    pub fn check(&self) -> Result<()> {
        match *self {
            Self::Resize { width, height } if width == 0 || height == 0 => {
                Err(Error::Config(format!("fit: cannot resize to {width}x{height}")))
            }
            Self::Tile { size, stride } if stride == 0 || stride > size => Err(Error::Config(format!(
                "fit: the stride of tiles of {size} must be 1 to {size}, not {stride}"
            ))),
            _ => Ok(()),
        }
    }

    /// The windows of the listed items, each once: by item as listed, then rows, then columns.
    ///
    /// # Errors
    /// As [`check`](Self::check), and [`Error::Config`] for an item that the data set does not have.
    pub fn crops(&self, dataset: &dyn Dataset, items: &[usize]) -> Result<Vec<Crop>> {
        self.check()?;
        let mut crops = Vec::new();
        for &item in items {
            if item >= dataset.len() {
                return Err(Error::Config(format!("item {item} of {} does not exist", dataset.len())));
            }
            match *self {
                Self::Resize { .. } => crops.push(Crop { item, x: 0, y: 0 }),
                Self::Tile { size, stride } => {
                    let (width, height) = dataset.size(item);
                    let columns = starts(width, size, stride);
                    for y in starts(height, size, stride) {
                        crops.extend(columns.iter().map(|&x| Crop { item, x, y }));
                    }
                }
            }
        }
        Ok(crops)
    }

    /// The sample ready for cutting; the mask goes with the picture.
    pub(crate) fn prepare(&self, sample: Sample, normalise: &Normalise) -> Result<Sample> {
        let Sample { id, picture, mask } = self.prepare_size(sample)?;
        Ok(Sample { id, picture: self.finish_picture(picture, normalise, None)?, mask })
    }

    /// The sample with its mask ready for cutting and its picture ready for [`Self::finish_picture`]: what of the
    /// preparation is the same in every epoch where noise is not.
    pub(crate) fn prepare_size(&self, sample: Sample) -> Result<Sample> {
        let Sample { id, picture, mask } = sample;
        let Mask { width: w, height: h, .. } = mask;
        let mask = match *self {
            Self::Resize { width, height } if (w, h) == (width, height) => mask,
            Self::Resize { width, height } => mask.resize(width, height)?,
            Self::Tile { size, .. } => {
                let data = continued(&mask.data, [w, h], 1, size);
                Mask { width: w.max(size), height: h.max(size), data }
            }
        };
        Ok(Sample { id, picture: self.resize_picture(picture)?, mask })
    }

    /// The picture ready for cutting, in training and prediction alike: resized or padded, with noise if there is
    /// any, and normalised. Statistics are those of the whole picture, without padding, so that all its windows are
    /// on one scale.
    pub(crate) fn prepare_picture(
        &self,
        picture: Picture,
        normalise: &Normalise,
        noise: Option<Grain>,
    ) -> Result<Picture> {
        self.finish_picture(self.resize_picture(picture)?, normalise, noise)
    }

    /// Resizing keeps values within 0..1 and would average noise away, so it comes first.
    fn resize_picture(&self, picture: Picture) -> Result<Picture> {
        match *self {
            Self::Resize { width, height } if (picture.width, picture.height) == (width, height) => {
                Ok(picture)
            }
            Self::Resize { width, height } => picture.resize(width, height),
            Self::Tile { .. } => Ok(picture),
        }
    }

    /// What [`Self::prepare_size`] leaves to do: noise, scale, padding.
    pub(crate) fn finish_picture(
        &self,
        mut picture: Picture,
        normalise: &Normalise,
        noise: Option<Grain>,
    ) -> Result<Picture> {
        if let Some(grain) = noise {
            grain.add(&mut picture);
        }
        normalise.apply(&mut picture)?;
        let Self::Tile { size, .. } = *self else { return Ok(picture) };
        let Picture { width, height, channels, data } = picture;
        let data = continued(&data, [width, height], channels, size);
        Ok(Picture { width: width.max(size), height: height.max(size), channels, data })
    }
}

/// Starts of windows along one side: they cover it, and the last ends with it.
pub(crate) fn starts(length: usize, size: usize, stride: usize) -> Vec<usize> {
    let last = length.saturating_sub(size);
    (0..last).step_by(stride).chain([last]).collect()
}

/// The mirror image of `i` within `0..n`, without repeating the border pixel.
fn reflect(i: usize, n: usize) -> usize {
    let period = (2 * n).saturating_sub(2).max(1);
    let i = i % period;
    if i < n { i } else { period - i }
}

/// Rows of `width` x `height` pixels, continued by reflection to at least `size` a side.
fn continued<T: Copy>(data: &[T], [width, height]: [usize; 2], channels: usize, size: usize) -> Vec<T> {
    let columns: Vec<usize> = (0..width.max(size)).map(|x| reflect(x, width)).collect();
    let rows = (0..height.max(size)).map(|y| reflect(y, height) * width);
    let pixels = rows.flat_map(|row| columns.iter().map(move |x| (row + x) * channels));
    pixels.flat_map(|at| data[at..at + channels].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::shapes::{ShapesDataset, ShapesOptions};

    #[test]
    fn windows_cover_every_pixel_and_end_at_the_border() {
        assert_eq!(starts(10, 4, 3), vec![0, 3, 6]);
        assert_eq!(starts(11, 4, 3), vec![0, 3, 6, 7]);
        assert_eq!(starts(4, 4, 2), vec![0]);
        assert_eq!(starts(3, 4, 2), vec![0]);
        for (length, size, stride) in [(1, 5, 5), (17, 5, 5), (20, 5, 5), (23, 7, 1), (999, 256, 200)] {
            let all = starts(length, size, stride);
            assert!(all.windows(2).all(|w| w[0] < w[1] && w[1] - w[0] <= stride), "{all:?}");
            assert_eq!(all[all.len() - 1] + size, length.max(size));
        }
    }

    #[test]
    fn crops_list_each_window_once() {
        let data =
            ShapesDataset::new(ShapesOptions { size: 40, count: 3, ..ShapesOptions::default() }).unwrap();
        let crops = Fit::Tile { size: 16, stride: 16 }.crops(&data, &[2, 0]).unwrap();
        assert_eq!(crops.len(), 18);
        assert_eq!(
            crops[..3].iter().map(|c| (c.item, c.x, c.y)).collect::<Vec<_>>(),
            [(2, 0, 0), (2, 16, 0), (2, 24, 0)]
        );
        assert_eq!(crops.iter().collect::<std::collections::HashSet<_>>().len(), 18);
        assert_eq!(
            Fit::Resize { width: 8, height: 4 }.crops(&data, &[1]).unwrap(),
            [Crop { item: 1, x: 0, y: 0 }]
        );
        assert!(Fit::Resize { width: 8, height: 4 }.crops(&data, &[3]).is_err());
        assert!(Fit::Tile { size: 8, stride: 9 }.crops(&data, &[0]).is_err());
        assert!(Fit::Tile { size: 0, stride: 0 }.crops(&data, &[0]).is_err());
        assert!(Fit::Resize { width: 0, height: 9 }.crops(&data, &[0]).is_err());
    }

    #[test]
    fn padding_reflects_picture_and_mask_alike() {
        let picture = Picture { width: 3, height: 1, channels: 1, data: vec![0.0, 0.1, 0.2] };
        let mask = Mask { width: 3, height: 1, data: vec![0, 1, 2] };
        let sample = Sample { id: "a".into(), picture, mask };
        let padded = Fit::Tile { size: 6, stride: 6 }.prepare(sample, &Normalise::Unit).unwrap();
        assert_eq!((padded.picture.width, padded.picture.height), (6, 6));
        assert_eq!(padded.mask.data[..12], [0, 1, 2, 1, 0, 1, 0, 1, 2, 1, 0, 1]);
        assert_eq!(padded.picture.data[30..], [0.0, 0.1, 0.2, 0.1, 0.0, 0.1]);
    }

    #[test]
    fn statistics_ignore_padding() {
        let picture = Picture { width: 2, height: 1, channels: 1, data: vec![0.0, 1.0] };
        let mask = Mask { width: 2, height: 1, data: vec![0, 1] };
        let sample = Sample { id: "a".into(), picture, mask };
        let padded = Fit::Tile { size: 3, stride: 3 }.prepare(sample, &Normalise::ZScore).unwrap();
        assert_eq!(padded.picture.data[..3], [-1.0, 1.0, -1.0]);
    }
}

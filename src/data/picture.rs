//! A picture in memory.

use std::io::Cursor;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{ExtendedColorType, ImageBuffer, ImageFormat, Luma, Pixel, Rgb};

use super::decode::{Raster, decode};
use super::levels::Range;
use crate::{Error, Result, io::atomic::write_atomic};

/// A gray or RGB picture, or one of several modalities, HWC. Values are 0..1 as read; a normalised picture may leave that range.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 (gray), 3 (RGB), or as many as there are modalities.
    pub channels: usize,
    /// `height * width * channels` values; the channel runs fastest, then x.
    pub data: Vec<f32>,
}

impl Picture {
    /// Reads a PNG, JPEG or TIFF of 8 or 16 bits, a DICOM file or a slice of a volume as 1 or 3 channels, or as many as a
    /// volume has. Alpha is dropped; colour becomes gray by luma (.299, .587, .114); gray is repeated to RGB. Orientation tags and colour profiles
    /// are not applied. Volumes whose voxels have several values have so many channels.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`] naming the file where it is unreadable, truncated, empty, of an
    /// unsupported kind or too large, or has another number of channels; [`Error::Config`] for a number that no picture has.
    pub fn read(path: impl AsRef<Path>, channels: usize) -> Result<Self> {
        Self::read_from(path.as_ref(), channels, Range::Auto)
    }

    /// As [`Self::read`], with what of a volume or a DICOM file becomes 0 and 1.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_from(path: &Path, channels: usize, range: Range) -> Result<Self> {
        check_read_channels(channels)?;
        let raster = decode(path, range)?;
        let converts = matches!((raster.channels, channels), (1, 3)) || raster.colour && channels == 1;
        if raster.channels != channels && !converts {
            let found = raster.channels;
            let message =
                format!("has {found} channel(s), and {channels} are wanted; set data.channels to {found}");
            return Err(Error::data(path, message));
        }
        Ok(Self::from_raster(raster, channels))
    }

    fn from_raster(raster: Raster, channels: usize) -> Self {
        let max = f32::from(raster.max);
        let Raster { width, height, data, .. } = raster;
        let data = match (raster.channels, channels) {
            (3, 1) => data.chunks_exact(3).map(|p| luma(p) / max).collect(),
            (1, 3) => data.iter().flat_map(|&v| [f32::from(v) / max; 3]).collect(),
            _ => data.iter().map(|&v| f32::from(v) / max).collect(),
        };
        Self { width, height, channels, data }
    }

    /// The picture at `width` x `height`: bilinear, antialiased where it shrinks (a triangle filter as wide
    /// as the scale). Values are kept within 0..1, so resize before normalising.
    ///
    /// # Errors
    /// [`Error::Config`] where a side is 0.
    pub fn resize(&self, width: usize, height: usize) -> Result<Self> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let data = match self.channels {
            1 => resample::<Luma<f32>>(self, width, height),
            3 => resample::<Rgb<f32>>(self, width, height),
            n => (0..n)
                .map(|c| resample::<Luma<f32>>(&self.plane(c), width, height))
                .collect::<Option<Vec<_>>>()
                .map(|planes| {
                    (0..width * height).flat_map(|i| planes.iter().map(move |plane| plane[i])).collect()
                }),
        };
        let refused = || {
            Error::Config(format!(
                "cannot resize a {}x{} picture to {width}x{height}",
                self.width, self.height
            ))
        };
        Ok(Self { width, height, channels: self.channels, data: data.ok_or_else(refused)? })
    }

    /// One of the channels.
    fn plane(&self, channel: usize) -> Self {
        let data = self.data.iter().skip(channel).step_by(self.channels).copied().collect();
        Self { width: self.width, height: self.height, channels: 1, data }
    }

    /// A white RGB picture.
    pub fn white(width: usize, height: usize) -> Self {
        Self { width, height, channels: 3, data: vec![1.0; width * height * 3] }
    }

    /// Puts `part`, gray or RGB, into this RGB picture with its corner at (`left`, `top`); what lies outside is cut off.
    pub fn paste(&mut self, part: &Self, left: usize, top: usize) {
        for y in 0..part.height.min(self.height.saturating_sub(top)) {
            for x in 0..part.width.min(self.width.saturating_sub(left)) {
                let from = (y * part.width + x) * part.channels;
                let to = 3 * ((top + y) * self.width + left + x);
                for channel in 0..3 {
                    self.data[to + channel] = part.data[from + channel % part.channels];
                }
            }
        }
    }

    /// Writes an 8-bit gray or RGB PNG; values outside 0..1 are clamped.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written, [`Error::Config`] for other than 1 or 3 channels.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<()> {
        check_channels(self.channels)?;
        let bytes: Vec<u8> = self.data.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
        write_png(path.as_ref(), self.width, self.height, self.channels, &bytes)
    }
}

/// Channels of a volume's slice at most.
const MOST_CHANNELS: usize = 64;

/// Refuses channel counts that no picture or volume has.
pub(crate) fn check_read_channels(channels: usize) -> Result<()> {
    match channels {
        1..=MOST_CHANNELS => Ok(()),
        n => Err(Error::Config(format!("pictures have 1 to {MOST_CHANNELS} channels, not {n}"))),
    }
}

/// Refuses channel counts that no picture file has.
pub(crate) fn check_channels(channels: usize) -> Result<()> {
    match channels {
        1 | 3 => Ok(()),
        other => Err(Error::Config(format!("pictures have 1 (gray) or 3 (RGB) channels, not {other}"))),
    }
}

fn luma(rgb: &[u16]) -> f32 {
    let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(f32::from);
    0.299 * r + 0.587 * g + 0.114 * b
}

/// `None` where a side is 0 or beyond 32 bits, or the data does not match its size.
fn resample<P>(picture: &Picture, width: usize, height: usize) -> Option<Vec<f32>>
where
    P: Pixel<Subpixel = f32> + 'static,
{
    let size = |w: usize, h: usize| {
        let (w, h) = (u32::try_from(w).ok()?, u32::try_from(h).ok()?);
        (w > 0 && h > 0).then_some((w, h))
    };
    let (w, h) = size(picture.width, picture.height)?;
    let source: ImageBuffer<P, &[f32]> = ImageBuffer::from_raw(w, h, picture.data.as_slice())?;
    let (w, h) = size(width, height)?;
    Some(imageops::resize(&source, w, h, FilterType::Triangle).into_raw())
}

/// Writes 8-bit samples (1 or 3 channels) as PNG, whole or not at all.
pub(crate) fn write_png(
    path: &Path,
    width: usize,
    height: usize,
    channels: usize,
    bytes: &[u8],
) -> Result<()> {
    let colour = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    encode(path, ImageFormat::Png, [width, height], colour, bytes)
}

/// Writes 16-bit gray as TIFF where the file is called so, else as PNG.
pub(crate) fn write_gray16(path: &Path, width: usize, height: usize, values: &[u16]) -> Result<()> {
    let tiff = path.extension().is_some_and(|extension| extension == "tif");
    let format = if tiff { ImageFormat::Tiff } else { ImageFormat::Png };
    encode(path, format, [width, height], ExtendedColorType::L16, bytemuck::cast_slice(values))
}

fn encode(
    path: &Path,
    format: ImageFormat,
    [width, height]: [usize; 2],
    colour: ExtendedColorType,
    bytes: &[u8],
) -> Result<()> {
    let channels = usize::from(colour.bits_per_pixel() / 8);
    let unfit = || Error::data(path, format!("cannot be written: {width}x{height} is no size of a picture"));
    let (w, h) = (u32::try_from(width).map_err(|_| unfit())?, u32::try_from(height).map_err(|_| unfit())?);
    if w == 0 || h == 0 || bytes.len() != width * height * channels {
        return Err(unfit());
    }
    let mut encoded = Cursor::new(Vec::new());
    image::write_buffer_with_format(&mut encoded, bytes, w, h, colour, format)
        .map_err(|error| Error::data(path, format!("cannot be written: {error}")))?;
    write_atomic(path, &encoded.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{gray_png, png_bytes, rgb_png};

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-6
    }

    #[test]
    fn colour_becomes_gray_by_luma_and_gray_is_repeated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        rgb_png(&path, 2, 1, |x, _| if x == 0 { [255, 0, 0] } else { [10, 20, 30] });
        let gray = Picture::read(&path, 1).unwrap();
        assert_eq!((gray.width, gray.height, gray.data.len()), (2, 1, 2));
        assert!(close(gray.data[0], 0.299), "{}", gray.data[0]);
        assert!(close(gray.data[1], (2.99 + 11.74 + 3.42) / 255.0));
        gray_png(&path, 1, 1, |_, _| 51);
        assert_eq!(Picture::read(&path, 3).unwrap().data, vec![0.2; 3]);
        assert!(Picture::read(&path, 2).unwrap_err().to_string().contains("1 channel(s), and 2"));
        assert!(matches!(Picture::read(&path, 0), Err(Error::Config(_))));
    }

    #[test]
    fn sixteen_bits_and_alpha_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let buffer =
            image::ImageBuffer::from_fn(2, 1, |x, _| image::Luma([if x == 0 { 257u16 } else { u16::MAX }]));
        buffer.save(&path).unwrap();
        let picture = Picture::read(&path, 1).unwrap();
        assert!(close(picture.data[0], 1.0 / 255.0) && close(picture.data[1], 1.0));
        image::RgbaImage::from_pixel(1, 1, image::Rgba([255, 51, 0, 7])).save(&path).unwrap();
        assert_eq!(Picture::read(&path, 3).unwrap().data, vec![1.0, 0.2, 0.0]);
        let tiff = dir.path().join("a.tif");
        buffer.save(&tiff).unwrap();
        assert_eq!(Picture::read(&tiff, 1).unwrap(), picture);
        std::fs::write(&path, png_bytes(3, 1, 1, 0, &[], &[0b1010_0000])).unwrap();
        assert_eq!(Picture::read(&path, 1).unwrap().data, vec![1.0, 0.0, 1.0]);
    }

    #[test]
    fn shrinking_averages_and_growing_interpolates() {
        let data = (0..64).map(|i| if i % 2 == 0 { 0.0 } else { 1.0 }).collect();
        let stripes = Picture { width: 64, height: 1, channels: 1, data };
        let small = stripes.resize(8, 1).unwrap();
        assert!(small.data.iter().all(|v| (v - 0.5).abs() < 0.1), "{:?}", small.data);
        let ramp = Picture { width: 2, height: 1, channels: 1, data: vec![0.0, 1.0] };
        let grown = ramp.resize(4, 2).unwrap();
        let expected = [0.0, 0.25, 0.75, 1.0, 0.0, 0.25, 0.75, 1.0];
        assert!(grown.data.iter().zip(expected).all(|(a, b)| close(*a, b)), "{:?}", grown.data);
        assert!(ramp.resize(0, 4).is_err());
    }

    #[test]
    fn channels_stay_apart_when_resized() {
        let data = [0.1, 0.5, 0.9].repeat(25);
        let flat = Picture { width: 5, height: 5, channels: 3, data };
        let resized = flat.resize(3, 7).unwrap();
        assert_eq!(resized.data.len(), 63);
        for pixel in resized.data.chunks(3) {
            assert!(close(pixel[0], 0.1) && close(pixel[1], 0.5) && close(pixel[2], 0.9), "{pixel:?}");
        }
    }

    #[test]
    fn a_written_picture_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.png");
        let picture = Picture { width: 2, height: 1, channels: 3, data: vec![0.0, 0.2, 1.0, 0.4, 0.6, 0.8] };
        picture.write_png(&path).unwrap();
        let back = Picture::read(&path, 3).unwrap();
        assert!(back.data.iter().zip(&picture.data).all(|(a, b)| close(*a, *b)));
        let missing = dir.path().join("no/such/folder.png");
        assert!(matches!(picture.write_png(&missing), Err(Error::Io { .. })));
    }
}

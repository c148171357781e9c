//! DICOM files of one picture.

mod excerpt;

use std::path::Path;

use dicom_object::{DefaultDicomObject, Tag};
use dicom_pixeldata::{
    ConvertOptions, DecodedPixelData, PhotometricInterpretation, PixelDecoder, PlanarConfiguration,
    VoiLutFunction, VoiLutOption, WindowLevelTransform,
};

use super::claim::Claim;
use super::decode::Raster;
use super::levels::{Range, label, level};
use crate::{Error, Result};

/// Whether a file is DICOM, by its mark behind a preamble of 128 bytes.
pub(super) fn is_dicom(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
}

/// What a file claims to hold.
pub(super) fn claim(path: &Path, bytes: &[u8]) -> Result<Claim> {
    Picture::open(path, bytes).map(|picture| picture.claim)
}

/// Decodes a file. Gray values are scaled by its slope and intercept, brought from `range` to black and white (its first
/// window, where that is asked for and there is one), and inverted for MONOCHROME1.
pub(super) fn decode(path: &Path, bytes: &[u8], range: Range) -> Result<Raster> {
    let picture = Picture::open(path, bytes)?;
    let decoded = picture.decode(path)?;
    if !decoded.photometric_interpretation().is_monochrome() {
        return picture.colours(path, &decoded);
    }
    let values = picture.values(path, &decoded)?;
    let window = if range == Range::Auto { window(path, &decoded)? } else { None };
    let mut data: Vec<u16> = match window {
        Some(window) => {
            let white = f64::from(u16::MAX);
            values.iter().map(|v| window.apply(*v, white).clamp(0.0, white).round() as u16).collect()
        }
        None => {
            let nothing = || Error::data(path, "holds no finite value");
            let ends = range.ends(values.iter().copied()).ok_or_else(nothing)?;
            values.iter().map(|v| level(*v, ends)).collect()
        }
    };
    if *decoded.photometric_interpretation() == PhotometricInterpretation::Monochrome1 {
        data.iter_mut().for_each(|v| *v = u16::MAX - *v);
    }
    let (width, height) = (picture.claim.width as usize, picture.claim.height as usize);
    Ok(Raster { width, height, channels: 1, max: u16::MAX, data, png: None, colour: false })
}

/// The gray values of a file as labels, scaled by its slope and intercept alone.
pub(super) fn labels(path: &Path, bytes: &[u8]) -> Result<([usize; 2], Vec<u16>)> {
    let picture = Picture::open(path, bytes)?;
    let decoded = picture.decode(path)?;
    if !decoded.photometric_interpretation().is_monochrome() {
        return Err(Error::data(path, "a mask in DICOM is gray, of labels; convert it to PNG"));
    }
    let values = picture.values(path, &decoded)?;
    let labels = values.into_iter().map(label).collect::<Result<_, _>>();
    let size = [picture.claim.width as usize, picture.claim.height as usize];
    Ok((size, labels.map_err(|message| Error::data(path, message))?))
}

/// A file whose claims have been held against its length.
struct Picture {
    object: DefaultDicomObject,
    claim: Claim,
}

impl Picture {
    fn open(path: &Path, bytes: &[u8]) -> Result<Self> {
        if !is_dicom(bytes) {
            return Err(Error::data(path, "no DICOM file (no DICM after 128 bytes); convert it to PNG"));
        }
        // Lengths that a file claims are believed by the reader, so it sees none that was not looked at.
        let excerpt = excerpt::excerpt(bytes).map_err(|message| {
            Error::data(path, format!("{message}; copy or export the DICOM file again"))
        })?;
        let object = dicom_object::from_reader(&excerpt[..]).map_err(|e| damaged(path, &e))?;
        let number = |element: u16| -> Result<Option<i64>> {
            let found = object.element_opt(Tag(0x0028, element)).map_err(|e| damaged(path, &e))?;
            Ok(found.and_then(|element| element.to_int::<i64>().ok()))
        };
        let side =
            |element| Ok::<_, Error>(number(element)?.and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
        let (height, width) = (side(0x0010)?, side(0x0011)?);
        let (samples, bits) = (number(0x0002)?.unwrap_or(1), number(0x0100)?.unwrap_or(0));
        if number(0x0008)?.is_some_and(|frames| frames != 1) {
            return Err(Error::data(path, "holds several frames; export each as a file of its own"));
        }
        if !matches!((samples, bits), (1, 8 | 16) | (3, 8)) {
            let message = format!("{samples} samples of {bits} bits a pixel are not read; convert it to PNG");
            return Err(Error::data(path, message));
        }
        let claim = Claim { width, height, bits: (samples * bits) as u64, fax: false };
        claim.check(path, bytes.len() as u64)?;
        Ok(Self { object, claim })
    }

    fn decode(&self, path: &Path) -> Result<DecodedPixelData<'_>> {
        let decoded = self.object.decode_pixel_data().map_err(|e| damaged(path, &e))?;
        let (samples, kind) = (decoded.samples_per_pixel(), decoded.photometric_interpretation());
        if kind.is_monochrome() != (samples == 1) {
            let message =
                format!("{samples} samples a pixel as {} are not read; convert it to PNG", kind.as_str());
            return Err(Error::data(path, message));
        }
        let Claim { width, height, bits, .. } = self.claim;
        let wanted = u64::from(width) * u64::from(height) * bits / 8;
        if (decoded.data().len() as u64) < wanted
            || !(1..=decoded.bits_allocated()).contains(&decoded.bits_stored())
        {
            let message = format!(
                "{} bytes of pixels where {wanted} are claimed; export it again",
                decoded.data().len()
            );
            return Err(Error::data(path, message));
        }
        Ok(decoded)
    }

    /// Red, green and blue of 8 bits.
    fn colours(&self, path: &Path, decoded: &DecodedPixelData<'_>) -> Result<Raster> {
        let (width, height) = (self.claim.width as usize, self.claim.height as usize);
        let samples = decoded.data();
        let at = |pixel: usize, channel: usize| match decoded.planar_configuration() {
            PlanarConfiguration::Standard => samples[3 * pixel + channel],
            PlanarConfiguration::PixelFirst => samples[channel * width * height + pixel],
        };
        let pixels = (0..width * height).map(|pixel| [at(pixel, 0), at(pixel, 1), at(pixel, 2)]);
        let data: Vec<u16> = match decoded.photometric_interpretation() {
            PhotometricInterpretation::Rgb => pixels.flatten().map(u16::from).collect(),
            PhotometricInterpretation::YbrFull => pixels.flat_map(rgb).collect(),
            other => {
                let message = format!("colours as {} are not read; convert it to PNG", other.as_str());
                return Err(Error::data(path, message));
            }
        };
        Ok(Raster { width, height, channels: 3, max: 255, data, png: None, colour: true })
    }

    /// Gray values, scaled.
    fn values(&self, path: &Path, decoded: &DecodedPixelData<'_>) -> Result<Vec<f64>> {
        let options = ConvertOptions::new().with_voi_lut(VoiLutOption::Identity);
        decoded.to_vec_frame_with_options(0, &options).map_err(|e| damaged(path, &e))
    }
}

/// Brightness and colour differences of 8 bits (DICOM PS3.3 C.7.6.3.1.2, full range) as red, green and blue.
fn rgb([y, blue, red]: [u8; 3]) -> [u16; 3] {
    let (y, blue, red) = (f32::from(y), f32::from(blue) - 128.0, f32::from(red) - 128.0);
    let all = [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue];
    all.map(|v| v.round().clamp(0.0, 255.0) as u16)
}

/// The first window of a file, if it names one.
fn window(path: &Path, decoded: &DecodedPixelData<'_>) -> Result<Option<WindowLevelTransform>> {
    let windows = decoded.window().map_err(|e| damaged(path, &e))?;
    let Some(window) = windows.and_then(|all| all.first()) else { return Ok(None) };
    if !window.center.is_finite() || !window.width.is_finite() || window.width <= 0.0 {
        return Ok(None);
    }
    let functions = decoded.voi_lut_function().map_err(|e| damaged(path, &e))?;
    let function = functions.and_then(|all| all.first()).copied().unwrap_or(VoiLutFunction::Linear);
    Ok(Some(WindowLevelTransform::new(function, *window)))
}

fn damaged(path: &Path, error: &dyn std::error::Error) -> Error {
    // The outermost error only says where it happened.
    let cause = std::iter::successors(Some(error), |e| e.source()).last().map(ToString::to_string);
    let cause = cause.filter(|cause| *cause != error.to_string());
    let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
    Error::data(path, format!("cannot be decoded as DICOM ({error}{cause}); export it again, or as PNG"))
}

#[cfg(test)]
mod tests;

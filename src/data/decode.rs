//! One way from a PNG, JPEG, TIFF, NIfTI or DICOM file to its samples, for pictures and masks alike.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::claim::{Claim, MAX_PIXELS};
use super::levels::Range;
use super::{dicom, headers, stack, volume};
use crate::{Error, Result};

/// The samples of a file, HWC, without alpha.
pub(crate) struct Raster {
    pub width: usize,
    pub height: usize,
    /// 1 (gray) or 3 (RGB); of a volume as many as it has values a voxel.
    pub channels: usize,
    /// Whether the channels are red, green and blue.
    pub colour: bool,
    /// The value of white: 255 or 65535.
    pub max: u16,
    pub data: Vec<u16>,
    /// What a PNG's header says; `None` for other formats.
    pub png: Option<headers::PngHead>,
}

impl Raster {
    /// Width, height and channels.
    pub(super) fn head(&self) -> [usize; 3] {
        [self.width, self.height, self.channels]
    }
}

/// Width and height in pixels, from the file's header.
///
/// # Errors
/// [`Error::Io`] where the file cannot be opened, [`Error::Data`] where it is no PNG, JPEG, TIFF, NIfTI slice or DICOM
/// file, or has no pixels or more than [`MAX_PIXELS`].
pub fn dimensions(path: &Path) -> Result<(usize, usize)> {
    if let Some(slice) = volume::slice_of(path) {
        return slice.dimensions(path);
    }
    let (file, claim) = match stack::page_of(path) {
        Some((stack, page)) => (stack, stack::claim(stack, page)?),
        None => (path, claim(path)?),
    };
    let length = file.metadata().map_err(Error::io(file))?.len();
    claim.check(path, length)?;
    Ok((claim.width as usize, claim.height as usize))
}

fn claim(path: &Path) -> Result<Claim> {
    if let Some(bytes) = dicom_bytes(path)? {
        return dicom::claim(path, &bytes);
    }
    let mut file = BufReader::new(File::open(path).map_err(Error::io(path))?);
    // The decoder tells the bits of what it makes, which for PNG may be more than the file has.
    let packed = headers::png_bits(file.fill_buf().map_err(Error::io(path))?);
    let (reader, format) = known_format(path, file)?;
    let decoder = reader.into_decoder().map_err(|e| explain(path, &e))?;
    let (width, height) = decoder.dimensions();
    let bits = packed.unwrap_or_else(|| decoder.original_color_type().bits_per_pixel().into());
    Ok(Claim { width, height, bits, fax: bits == 1 && format == ImageFormat::Tiff })
}

/// Whether a file is DICOM, by its content.
pub(super) fn holds_dicom(path: &Path) -> bool {
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(132).read_to_end(&mut head)).is_ok() && dicom::is_dicom(&head)
}

/// The bytes of a file that is DICOM, by its content or by its name.
fn dicom_bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut head = Vec::new();
    file.by_ref().take(132).read_to_end(&mut head).map_err(Error::io(path))?;
    if !dicom::is_dicom(&head) && path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("dcm")) {
        return Ok(None);
    }
    file.read_to_end(&mut head).map_err(Error::io(path))?;
    Ok(Some(head))
}

/// The labels of a mask in a format that holds numbers and not shades: width and height, and a label a pixel. `None` for
/// other formats.
pub(crate) fn labels(path: &Path) -> Result<Option<([usize; 2], Vec<u16>)>> {
    if let Some(slice) = volume::slice_of(path) {
        return slice.labels(path).map(Some);
    }
    if stack::page_of(path).is_some() {
        return Ok(None);
    }
    dicom_bytes(path)?.map(|bytes| dicom::labels(path, &bytes)).transpose()
}

/// Decodes a whole file, volumes and DICOM files from their range of values.
pub(crate) fn decode(path: &Path, range: Range) -> Result<Raster> {
    if let Some(slice) = volume::slice_of(path) {
        return slice.decode(path, range);
    }
    if volume::is_volume(path) {
        let message = "is a volume; name one of its slices (such as <volume>/z000), or the volume where a folder of \
                       pictures is asked for";
        return Err(Error::data(path, message));
    }
    if stack::page_of(path).is_none()
        && let Some(bytes) = dicom_bytes(path)?
    {
        return dicom::decode(path, &bytes, range);
    }
    dimensions(path)?;
    if let Some((stack, page)) = stack::page_of(path) {
        return raster(path, &stack::decode(stack, page)?, None);
    }
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let (reader, format) = known_format(path, Cursor::new(&bytes))?;
    if format == ImageFormat::Jpeg && !headers::jpeg_is_complete(&bytes) {
        return Err(Error::data(
            path,
            "the JPEG ends before its picture does (truncated); copy or export it again",
        ));
    }
    if format == ImageFormat::Tiff && headers::tiff_is_stack(&bytes) {
        let message = "the TIFF holds several pages; name it where a folder of pictures is asked for";
        return Err(Error::data(path, message));
    }
    let image = reader.decode().map_err(|e| explain(path, &e))?;
    raster(path, &image, headers::png(&bytes))
}

/// A reader whose format was told from the content (file names lie), with limits set.
fn known_format<R: BufRead + Seek>(path: &Path, read: R) -> Result<(ImageReader<R>, ImageFormat)> {
    let mut reader = ImageReader::new(read).with_guessed_format().map_err(Error::io(path))?;
    let format = match reader.format() {
        Some(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Tiff)) => format,
        Some(other) => {
            return Err(Error::data(path, format!("{other:?} files are not read; convert it to PNG")));
        }
        None => return Err(Error::data(path, "not a PNG, JPEG or TIFF file, or empty; convert it to PNG")),
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 16);
    reader.limits(limits);
    Ok((reader, format))
}

fn explain(path: &Path, error: &ImageError) -> Error {
    let advice = match error {
        ImageError::Limits(_) => "too large; cut it into smaller pictures",
        ImageError::Unsupported(_) => "not supported; convert it to an 8- or 16-bit gray or RGB PNG",
        _ => "damaged or truncated; copy or export it again",
    };
    Error::data(path, format!("cannot be decoded ({error}): {advice}"))
}

fn raster(path: &Path, image: &DynamicImage, png: Option<headers::PngHead>) -> Result<Raster> {
    let (channels, max, data) = match image {
        DynamicImage::ImageLuma8(b) => (1, 255, keep(b.as_raw(), 1, 1)),
        DynamicImage::ImageLumaA8(b) => (1, 255, keep(b.as_raw(), 2, 1)),
        DynamicImage::ImageRgb8(b) => (3, 255, keep(b.as_raw(), 3, 3)),
        DynamicImage::ImageRgba8(b) => (3, 255, keep(b.as_raw(), 4, 3)),
        DynamicImage::ImageLuma16(b) => (1, u16::MAX, keep(b.as_raw(), 1, 1)),
        DynamicImage::ImageLumaA16(b) => (1, u16::MAX, keep(b.as_raw(), 2, 1)),
        DynamicImage::ImageRgb16(b) => (3, u16::MAX, keep(b.as_raw(), 3, 3)),
        DynamicImage::ImageRgba16(b) => (3, u16::MAX, keep(b.as_raw(), 4, 3)),
        other => {
            let message = format!("{:?} samples are not read; convert it to 8 or 16 bits", other.color());
            return Err(Error::data(path, message));
        }
    };
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Raster { width, height, channels, max, data, png, colour: channels == 3 })
}

/// The first `kept` of every `stride` samples.
fn keep<T: Copy + Into<u16>>(raw: &[T], stride: usize, kept: usize) -> Vec<u16> {
    raw.chunks_exact(stride).flat_map(|pixel| pixel.iter().take(kept).map(|&v| v.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{gray_png, png_bytes};

    #[test]
    fn a_missing_empty_or_foreign_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(dimensions(&dir.path().join("no.png")), Err(Error::Io { .. })));
        for (name, content) in [("empty.png", &b""[..]), ("text.png", b"hello"), ("pic.bmp", b"BM123456789")]
        {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            let message = decode(&path, Range::Auto).err().unwrap().to_string();
            assert!(message.contains(name) && message.contains("convert"), "{message}");
        }
    }

    #[test]
    fn a_cut_png_is_truncated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.png");
        gray_png(&path, 40, 30, |x, y| (x * 7 + y * 13) as u8);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let message = decode(&path, Range::Auto).err().unwrap().to_string();
        assert!(message.contains("truncated") && message.contains("cut.png"), "{message}");
    }

    #[test]
    fn a_cut_jpeg_is_truncated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.jpg");
        let picture = image::GrayImage::from_fn(64, 64, |x, y| image::Luma([(x * y) as u8]));
        picture.save(&path).unwrap();
        assert!(decode(&path, Range::Auto).is_ok());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
        assert!(decode(&path, Range::Auto).err().unwrap().to_string().contains("truncated"));
    }

    #[test]
    fn an_absurd_size_is_refused_from_the_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.png");
        std::fs::write(&path, png_bytes(100_000, 100_000, 8, 0, &[], &[0; 16])).unwrap();
        let message = decode(&path, Range::Auto).err().unwrap().to_string();
        assert!(message.contains("100000x100000"), "{message}");
        std::fs::write(&path, png_bytes(0, 5, 8, 0, &[], &[])).unwrap();
        assert!(decode(&path, Range::Auto).is_err());
    }
}

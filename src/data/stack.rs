//! Stacks: TIFF files of several pages. A page is named as if the stack were a folder, `volume.tif/007`, so that
//! whatever takes the path of a picture takes that of a page.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageBuffer};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::{ColorType, TiffError};

use super::claim::{Claim, MAX_PIXELS, most_bytes};
use crate::{Error, Result};

/// More pages than this are taken for a damaged file.
const MAX_PAGES: usize = 100_000;

/// The stack and the number of the page that `path` names; `None` if it is the path of a file or of nothing.
pub(crate) fn page_of(path: &Path) -> Option<(&Path, usize)> {
    let stack = path.parent().filter(|parent| parent.is_file())?;
    Some((stack, path.file_name()?.to_str()?.parse().ok()?))
}

/// The names of all pages of a stack, in order.
///
/// # Errors
/// [`Error::Io`] where it cannot be opened, [`Error::Data`] where it is no TIFF or damaged.
pub(crate) fn pages(stack: &Path) -> Result<Vec<PathBuf>> {
    let mut decoder = open(stack)?;
    let mut count = 1;
    while decoder.more_images() {
        decoder.next_image().map_err(explain(stack))?;
        count += 1;
        if count > MAX_PAGES {
            return Err(Error::data(stack, format!("more than {MAX_PAGES} pages; the file is damaged")));
        }
    }
    Ok((0..count).map(|page| stack.join(format!("{page:03}"))).collect())
}

/// What a page claims to hold.
pub(super) fn claim(stack: &Path, page: usize) -> Result<Claim> {
    let mut decoder = turned_to(stack, page)?;
    let (width, height) = decoder.dimensions().map_err(explain(stack))?;
    let colour = decoder.colortype().map_err(explain(stack))?;
    let bits = u64::from(colour.bit_depth()) * u64::from(colour.num_samples());
    Ok(Claim { width, height, bits, fax: bits == 1 })
}

/// Decodes a page.
pub(super) fn decode(stack: &Path, page: usize) -> Result<DynamicImage> {
    let mut decoder = turned_to(stack, page)?;
    let (width, height) = decoder.dimensions().map_err(explain(stack))?;
    let colour = decoder.colortype().map_err(explain(stack))?;
    // Looked at before anything is decoded: a page may claim thousands of samples a pixel.
    if !matches!(colour, ColorType::Gray(8 | 16) | ColorType::RGB(8 | 16)) {
        let message = format!("page {page} holds {colour:?}; convert it to 8- or 16-bit gray or RGB");
        return Err(Error::data(stack, message));
    }
    let image = match (colour, decoder.read_image().map_err(explain(stack))?) {
        (ColorType::Gray(_), DecodingResult::U8(v)) => {
            ImageBuffer::from_raw(width, height, v).map(DynamicImage::ImageLuma8)
        }
        (ColorType::Gray(_), DecodingResult::U16(v)) => {
            ImageBuffer::from_raw(width, height, v).map(DynamicImage::ImageLuma16)
        }
        (_, DecodingResult::U8(v)) => ImageBuffer::from_raw(width, height, v).map(DynamicImage::ImageRgb8),
        (_, DecodingResult::U16(v)) => ImageBuffer::from_raw(width, height, v).map(DynamicImage::ImageRgb16),
        _ => None,
    };
    image.ok_or_else(|| Error::data(stack, format!("page {page} is damaged; export it again")))
}

fn turned_to(stack: &Path, page: usize) -> Result<Decoder<BufReader<File>>> {
    let mut decoder = open(stack)?;
    for _ in 0..page {
        if !decoder.more_images() {
            return Err(Error::data(stack, format!("has no page {page} (they count from 0)")));
        }
        decoder.next_image().map_err(explain(stack))?;
    }
    Ok(decoder)
}

fn open(stack: &Path) -> Result<Decoder<BufReader<File>>> {
    let file = File::open(stack).map_err(Error::io(stack))?;
    let mut limits = Limits::default();
    // Both are asked for by what the file claims, and allocated at once.
    let length = file.metadata().map_err(Error::io(stack))?.len();
    limits.decoding_buffer_size = most_bytes(length).min(MAX_PIXELS * 6) as usize;
    limits.intermediate_buffer_size = length as usize;
    Ok(Decoder::new(BufReader::new(file)).map_err(explain(stack))?.with_limits(limits))
}

fn explain(stack: &Path) -> impl Fn(TiffError) -> Error + '_ {
    move |error| {
        Error::data(stack, format!("cannot be read as a stack of pages ({error}); export it again as TIFF"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, FolderDataset, FolderOptions, list_pictures};
    use super::*;

    #[test]
    fn pages_are_pictures() {
        let dir = tempfile::tempdir().unwrap();
        let (x, y) = (dir.path().join("x.tif"), dir.path().join("y.tiff"));
        testing_stack(&x, 3, |page, i| (40 * page + i) as u8);
        testing_stack(&y, 3, |page, i| if i == page { 255 } else { 0 });
        let names = list_pictures(&x).unwrap();
        assert_eq!(names.len(), 3);
        assert_eq!(page_of(&names[2]), Some((x.as_path(), 2)));
        let options = FolderOptions {
            images: "x.tif".into(),
            masks: "y.tiff".into(),
            channels: 1,
            ..FolderOptions::new(dir.path())
        };
        let data = FolderDataset::open(&options).unwrap();
        assert_eq!(data.ids(), ["000", "001", "002"]);
        let sample = data.load(1).unwrap();
        assert_eq!((sample.picture.width, sample.picture.height), (4, 2));
        assert!((sample.picture.data[3] - 43.0 / 255.0).abs() < 1e-6);
        assert_eq!(sample.mask.data, [0, 1, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn stacks_of_other_lengths_and_other_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (x, y) = (dir.path().join("x.tif"), dir.path().join("y.tif"));
        testing_stack(&x, 3, |_, _| 9);
        testing_stack(&y, 2, |_, _| 0);
        let options =
            FolderOptions { images: "x.tif".into(), masks: "y.tif".into(), ..FolderOptions::new(dir.path()) };
        assert!(FolderDataset::open(&options).unwrap_err().to_string().contains("002"));
        assert!(decode(&y, 2).unwrap_err().to_string().contains("no page 2"));
        std::fs::write(&y, b"II*\0\xff\xff\xff\xff").unwrap();
        assert!(list_pictures(&y).unwrap_err().to_string().contains("y.tif"));
    }

    /// Pages of 4x2 gray pixels.
    fn testing_stack(path: &Path, pages: usize, value: impl Fn(usize, usize) -> u8) {
        let mut encoder = tiff::encoder::TiffEncoder::new(File::create(path).unwrap()).unwrap();
        for page in 0..pages {
            let data: Vec<u8> = (0..8).map(|i| value(page, i)).collect();
            encoder.write_image::<tiff::encoder::colortype::Gray8>(4, 2, &data).unwrap();
        }
    }
}

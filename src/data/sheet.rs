//! Contact sheets.

use super::{Dataset, Picture};
use crate::Result;

/// Side of a thumbnail, pixels.
const THUMBNAIL: usize = 96;
/// Pixels between them.
const GAP: usize = 4;
/// Thumbnails a row.
const COLUMNS: usize = 8;

/// Pictures `items`, shrunk to fit a square, row by row, with the outlines of their masks.
///
/// # Errors
/// Where a picture cannot be read.
pub fn contact_sheet(dataset: &dyn Dataset, items: &[usize]) -> Result<Picture> {
    let (pitch, shown) = (THUMBNAIL + GAP, items.len());
    let mut sheet = Picture::white(COLUMNS.min(shown) * pitch, shown.div_ceil(COLUMNS) * pitch);
    for (i, item) in items.iter().enumerate() {
        let sample = dataset.load(*item)?;
        let longest = sample.picture.width.max(sample.picture.height);
        let side = |v: usize| (v * THUMBNAIL / longest).max(1);
        let (w, h) = (side(sample.picture.width), side(sample.picture.height));
        let small = sample.mask.resize(w, h)?.outlined(&sample.picture.resize(w, h)?);
        sheet.paste(&small, i % COLUMNS * pitch, i / COLUMNS * pitch);
    }
    Ok(sheet)
}

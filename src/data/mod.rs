//! Pictures, masks and batches: from files to `f32` arrays ready for upload. Pure CPU.
//!
//! A [`Dataset`] gives pairs of a picture and a mask; a [`Fit`] turns pairs of any size into windows of one
//! size; a [`Loader`] gathers windows into batches (NHWC) in an order that depends on its seed and the epoch
//! alone.

mod angiography;
mod batch;
mod cache;
mod claim;
mod coding;
mod course;
mod csv_table;
mod decode;
mod dicom;
mod export;
mod fit;
mod folder;
mod headers;
mod levels;
mod loader;
mod mask;
mod noise;
mod normalise;
mod objects;
mod picture;
mod polygons;
pub(crate) mod random;
mod ranking;
mod resized;
mod sample;
mod series;
mod shapes;
mod sheet;
mod split;
mod stack;
mod survey;
#[cfg(test)]
mod testing;
mod unlabelled;
pub(crate) mod volume;

pub use angiography::{AngiographyDataset, AngiographyOptions};
pub use batch::Batch;
pub use claim::MAX_PIXELS;
pub use coding::{MaskCoding, decide_coding};
pub use course::{Course, Pacing};
pub use decode::dimensions;
pub use export::Export;
pub(crate) use fit::starts;
pub use fit::{Crop, Fit};
pub use folder::{FolderDataset, FolderOptions, Item, list_pictures};
pub(crate) use folder::{find_pictures, picture_name};
pub use levels::Range;
pub use loader::{Epoch, Loader, LoaderOptions, Partial};
pub use mask::Mask;
pub use noise::{Grain, PixelNoise};
pub use normalise::Normalise;
pub use objects::{ObjectsDataset, list_nested_pictures};
pub use picture::Picture;
pub(crate) use picture::write_gray16;
pub use polygons::{Figure, Outline, PolygonsDataset, PolygonsOptions};
pub use ranking::Ranking;
pub use resized::Resized;
pub use sample::{Dataset, Sample};
pub use shapes::{ShapesDataset, ShapesOptions};
pub use sheet::contact_sheet;
pub use split::Split;
pub use survey::{ClassShare, Survey, Twins};
pub use unlabelled::WithUnlabelled;
pub use volume::{Axis, VolumeOptions};

/// How many offenders an error message names before it only counts them.
const NAMED: usize = 5;

/// Joins up to five of `offenders` with `"; "`, and says how many more there are.
fn name_some<T: AsRef<str>>(offenders: &[T]) -> String {
    let shown: Vec<&str> = offenders.iter().take(NAMED).map(AsRef::as_ref).collect();
    let rest = offenders.len().saturating_sub(NAMED);
    if rest == 0 { shown.join("; ") } else { format!("{}; and {rest} more", shown.join("; ")) }
}

/// The last part of a path, for messages that already name the folder.
fn file_name(path: &std::path::Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

//! Volumes: NIfTI-1 files (`.nii`, `.nii.gz`), taken as the stacks of their slices. A slice is named as if the volume
//! were a folder, `head.nii.gz/z007`: the axis that it is cut across and its number. A volume of several files, one a
//! modality, is named as a shell does: `head{_t1,_t2}.nii.gz`.

mod cache;
mod read;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use read::Volume;
pub(crate) use write::{labels_like, values_like, written_extension};

use super::claim::MAX_PIXELS;
use super::decode::Raster;
use super::file_name;
use super::levels::{Range, label, level};
use crate::{Error, Result};

/// An axis of a volume, as its file counts voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axis {
    /// The first, along which voxels lie one behind the other.
    X,
    /// The second.
    Y,
    /// The third.
    #[default]
    Z,
}

impl Axis {
    const ALL: [(char, Self); 3] = [('x', Self::X), ('y', Self::Y), ('z', Self::Z)];

    fn letter(self) -> char {
        ['x', 'y', 'z'][self as usize]
    }

    /// Columns, rows and slices of a volume of this size, cut across the axis.
    fn cut(self, [x, y, z]: [usize; 3]) -> [usize; 3] {
        match self {
            Self::X => [y, z, x],
            Self::Y => [x, z, y],
            Self::Z => [x, y, z],
        }
    }

    /// The voxel at a column and row of a slice.
    fn voxel(self, [column, row, slice]: [usize; 3]) -> [usize; 3] {
        match self {
            Self::X => [slice, column, row],
            Self::Y => [column, slice, row],
            Self::Z => [column, row, slice],
        }
    }
}

/// How volumes and DICOM files are taken for pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeOptions {
    /// The axis that volumes are cut across.
    pub axis: Axis,
    /// What the names of the files of a volume end with, before `.nii`, one file a channel; none: each file is a volume.
    pub modalities: Vec<String>,
    /// What becomes black and white.
    pub range: Range,
}

/// A slice that a path names.
pub(crate) struct Slice {
    /// The path of its volume.
    pub volume: PathBuf,
    axis: Axis,
    number: usize,
}

/// The slice that `path` names; `None` where it names none.
pub(crate) fn slice_of(path: &Path) -> Option<Slice> {
    let volume = path.parent().filter(|parent| is_volume(parent))?;
    let name = path.file_name()?.to_str()?;
    let (letter, number) = name.split_at_checked(1)?;
    let axis = Axis::ALL.iter().find(|(known, _)| letter.starts_with(*known))?.1;
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| Some(Slice { volume: volume.to_owned(), axis, number: number.parse().ok()? }))?
}

/// Whether a path is called as a volume is.
pub(crate) fn is_volume(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| split_name(name).1.is_some())
}

/// The name of a volume without its ending, and for several files without what they differ in.
pub(crate) fn stem(volume: &Path) -> String {
    let name = file_name(volume);
    let stem = split_name(&name).0;
    match braces(stem) {
        Some((before, _, after)) if !volume.is_file() => format!("{before}{after}"),
        _ => stem.to_owned(),
    }
}

/// A name's part before `.nii` or `.nii.gz`, and that ending.
fn split_name(name: &str) -> (&str, Option<&str>) {
    let at = [".nii.gz", ".nii"].iter().find_map(|ending| {
        let at = name.len().checked_sub(ending.len()).filter(|at| *at > 0 && name.is_char_boundary(*at))?;
        name[at..].eq_ignore_ascii_case(ending).then_some(at)
    });
    at.map_or((name, None), |at| (&name[..at], Some(&name[at..])))
}

/// What is before, between (at commas) and behind the first braces.
fn braces(name: &str) -> Option<(&str, Vec<&str>, &str)> {
    let (before, rest) = name.split_once('{')?;
    let (inside, after) = rest.split_once('}')?;
    Some((before, inside.split(',').collect(), after))
}

/// The files of a volume, in the order of its channels.
pub(crate) fn files(volume: &Path) -> Vec<PathBuf> {
    let name = file_name(volume);
    match braces(&name) {
        Some((before, parts, after)) if !volume.is_file() => {
            parts.iter().map(|part| volume.with_file_name(format!("{before}{part}{after}"))).collect()
        }
        _ => vec![volume.to_owned()],
    }
}

/// Of files, of which some are volumes of one modality, the volumes that they make up. Volumes that end with none of the
/// modalities, such as masks beside them, are left out.
///
/// # Errors
/// [`Error::Data`] naming a file whose companion is missing.
pub(super) fn gathered(paths: Vec<PathBuf>, modalities: &[String]) -> Result<Vec<PathBuf>> {
    let Some(first) = modalities.first() else { return Ok(paths) };
    let mut found = Vec::new();
    for path in paths {
        if !is_volume(&path) {
            found.push(path);
            continue;
        }
        let name = file_name(&path);
        let (stem, ending) = split_name(&name);
        let Some(modality) = modalities.iter().find(|m| stem.ends_with(m.as_str())) else { continue };
        let base = &stem[..stem.len() - modality.len()];
        let set = format!("{base}{{{}}}{}", modalities.join(","), ending.unwrap_or_default());
        let set = path.with_file_name(set);
        if let Some(missing) = files(&set).iter().find(|file| !file.is_file()) {
            let message = format!("its companion {} is missing (data.modalities)", file_name(missing));
            return Err(Error::data(path, message));
        }
        if modality == first {
            found.push(set);
        }
    }
    Ok(found)
}

/// The volume that a file is a part of, where volumes have several files; else the file.
///
/// # Errors
/// As [`gathered`]; [`Error::Data`] where it ends with none of the modalities.
pub(crate) fn whole(path: PathBuf, modalities: &[String]) -> Result<PathBuf> {
    let name = file_name(&path);
    let (stem, ending) = split_name(&name);
    if modalities.is_empty() || braces(stem).is_some() && !path.is_file() {
        return Ok(path);
    }
    let Some(modality) = modalities.iter().find(|m| stem.ends_with(m.as_str())) else {
        let message = format!("its name ends with none of data.modalities ({})", modalities.join(", "));
        return Err(Error::data(path, message));
    };
    let base = &stem[..stem.len() - modality.len()];
    let first = path.with_file_name(format!("{base}{}{}", modalities[0], ending.unwrap_or_default()));
    Ok(gathered(vec![first], modalities)?.swap_remove(0))
}

/// The names of all slices across an axis, in order.
///
/// # Errors
/// [`Error::Io`] and [`Error::Data`] where the volume cannot be read.
pub(crate) fn slices(volume: &Path, axis: Axis) -> Result<Vec<PathBuf>> {
    let [_, _, count] = axis.cut(loaded(volume)?[0].size);
    Ok((0..count).map(|number| volume.join(format!("{}{number:03}", axis.letter()))).collect())
}

/// The parts of a volume, which are of one size.
fn loaded(volume: &Path) -> Result<Vec<Arc<Volume>>> {
    let files = files(volume);
    let parts = files.iter().map(|file| cache::volume(file)).collect::<Result<Vec<_>>>()?;
    for (part, file) in parts.iter().zip(&files).skip(1) {
        if part.size != parts[0].size {
            let ([x, y, z], [a, b, c]) = (part.size, parts[0].size);
            let message = format!("is {x}x{y}x{z}, but {} {a}x{b}x{c}", file_name(&files[0]));
            return Err(Error::data(file, message));
        }
    }
    Ok(parts)
}

impl Slice {
    /// The parts of the slice's volume, with the slice's columns and rows.
    fn open(&self, path: &Path) -> Result<(Vec<Arc<Volume>>, [usize; 2])> {
        let parts = loaded(&self.volume)?;
        let [width, height, count] = self.axis.cut(parts[0].size);
        if self.number >= count {
            return Err(Error::data(path, format!("there are {count} slices (they count from 0)")));
        }
        if (width as u64) * (height as u64) > MAX_PIXELS {
            let message =
                format!("{width}x{height} pixels are more than {MAX_PIXELS}; cut it into smaller ones");
            return Err(Error::data(path, message));
        }
        Ok((parts, [width, height]))
    }

    /// Columns and rows.
    pub(super) fn dimensions(&self, path: &Path) -> Result<(usize, usize)> {
        self.open(path).map(|(_, [width, height])| (width, height))
    }

    /// The voxels of the slice, row by row.
    fn voxels(&self, [width, height]: [usize; 2]) -> impl Iterator<Item = [usize; 3]> + use<'_> {
        (0..height * width).map(move |i| self.axis.voxel([i % width, i / width, self.number]))
    }

    /// The slice as a picture of 16 bits, its volume's range from black to white.
    pub(super) fn decode(&self, path: &Path, range: Range) -> Result<Raster> {
        let (parts, size) = self.open(path)?;
        let mut planes: Vec<Vec<u16>> = Vec::new();
        for (part, file) in parts.iter().zip(files(&self.volume)) {
            let ends = part.ends(range).ok_or_else(|| Error::data(file, "holds no finite value"))?;
            planes.extend(ends.into_iter().enumerate().map(|(channel, ends)| {
                self.voxels(size).map(|at| level(part.value(at, channel), ends)).collect()
            }));
        }
        let [width, height] = size;
        let data = (0..width * height).flat_map(|i| planes.iter().map(move |plane| plane[i])).collect();
        let colour = parts.len() == 1 && parts[0].is_colour();
        Ok(Raster { width, height, channels: planes.len(), max: u16::MAX, data, png: None, colour })
    }

    /// The slice as labels.
    pub(super) fn labels(&self, path: &Path) -> Result<([usize; 2], Vec<u16>)> {
        let (parts, size) = self.open(path)?;
        let [part] = &parts[..] else {
            return Err(Error::data(path, "a mask has one file, not one a modality"));
        };
        if part.channels != 1 {
            let message = format!("holds {} values a voxel; a mask has one", part.channels);
            return Err(Error::data(path, message));
        }
        let labels = self.voxels(size).map(|at| label(part.value(at, 0))).collect::<Result<_, _>>();
        Ok((size, labels.map_err(|message| Error::data(path, message))?))
    }
}

#[cfg(test)]
mod tests;

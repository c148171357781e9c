//! Writing masks and probabilities as NIfTI-1 volumes with the header of the volume that they are of.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use nifti::Endianness;

use super::read::Volume;
use super::{Axis, cache, files};
use crate::{Error, Result, io::atomic::write_atomic};

/// Codes of NIfTI-1 for u8 and f32.
const U8: i16 = 2;
const F32: i16 = 16;

/// What a volume made of `like` is called after its name: `.nii.gz` where that one is called so, else `.nii`.
pub(crate) fn written_extension(like: &Path) -> &'static str {
    if is_packed(like) { ".nii.gz" } else { ".nii" }
}

/// Writes labels, a plane a slice, row by row, as u8, compressed where `to` ends in `.gz`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written; [`Error::Check`] where the planes are not of the volume's size.
pub(crate) fn labels_like(like: &Path, axis: Axis, planes: &[Vec<u8>], to: &Path) -> Result<()> {
    write(like, axis, planes, U8, |v, _| [v], to)
}

/// As [`labels_like`], of numbers, as f32.
///
/// # Errors
/// As [`labels_like`].
pub(crate) fn values_like(like: &Path, axis: Axis, planes: &[Vec<f32>], to: &Path) -> Result<()> {
    let bytes = |v: f32, order| match order {
        Endianness::Little => v.to_le_bytes(),
        Endianness::Big => v.to_be_bytes(),
    };
    write(like, axis, planes, F32, bytes, to)
}

/// Whether a volume is compressed, by its name.
fn is_packed(volume: &Path) -> bool {
    volume.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz"))
}

/// The volume whose header is taken: of several modalities the first.
fn original(like: &Path) -> Result<std::sync::Arc<Volume>> {
    let files = files(like);
    cache::volume(files.first().map_or(like, |file| file))
}

fn write<T: Copy, const N: usize>(
    like: &Path,
    axis: Axis,
    planes: &[Vec<T>],
    datatype: i16,
    bytes: impl Fn(T, Endianness) -> [u8; N],
    to: &Path,
) -> Result<()> {
    let volume = original(like)?;
    let [width, height, count] = axis.cut(volume.size);
    if planes.len() != count || planes.iter().any(|plane| plane.len() != width * height) {
        let message = format!("{} planes are no volume of {:?} voxels", planes.len(), volume.size);
        return Err(Error::Check(message));
    }
    let mut whole = head(&volume, datatype, N);
    let [nx, ny, nz] = volume.size;
    whole.reserve(nx * ny * nz * N);
    for z in 0..nz {
        for y in 0..ny {
            for x in 0..nx {
                let [column, row, slice] = axis.cut([x, y, z]);
                whole.extend(bytes(planes[slice][row * width + column], volume.order));
            }
        }
    }
    if !is_packed(to) {
        return write_atomic(to, &whole);
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&whole).map_err(Error::io(to))?;
    write_atomic(to, &packed.finish().map_err(Error::io(to))?)
}

/// The header and extensions of a volume, byte by byte, but for the numbers of what a voxel holds: data type and bits,
/// scale (1 and 0), the range that is shown (none), and, where the volume has several values a voxel, the dimensions
/// beyond the third.
fn head(volume: &Volume, datatype: i16, width: usize) -> Vec<u8> {
    let mut head = volume.head.clone();
    let little = volume.order == Endianness::Little;
    let mut put = |at: usize, number: [u8; 4], n: usize| {
        let number = &number[..n];
        let bytes = head.iter_mut().skip(at).take(n);
        if little {
            bytes.zip(number).for_each(|(to, v)| *to = *v);
        } else {
            bytes.zip(number.iter().rev()).for_each(|(to, v)| *to = *v);
        }
    };
    let short = |v: i16| {
        let [a, b] = v.to_le_bytes();
        [a, b, 0, 0]
    };
    put(70, short(datatype), 2);
    put(72, short(8 * width as i16), 2);
    put(112, 1f32.to_le_bytes(), 4);
    put(116, 0f32.to_le_bytes(), 4);
    put(124, 0f32.to_le_bytes(), 4);
    put(128, 0f32.to_le_bytes(), 4);
    if volume.channels > 1 && !volume.is_colour() {
        put(40, short(3), 2);
        (4..8).for_each(|axis| put(40 + 2 * axis, short(1), 2));
    }
    head
}

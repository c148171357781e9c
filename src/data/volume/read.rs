//! Reading NIfTI-1 files.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::OnceLock;

use flate2::bufread::MultiGzDecoder;
use nifti::{Endianness, InMemNiftiVolume, NiftiHeader, NiftiType};

use super::super::claim::most_bytes;
use super::super::levels::Range;
use crate::{Error, Result};

/// Bytes of the fixed part of a header.
const HEAD: usize = 348;
/// Where voxels of a single file begin at the earliest.
const LEAST_OFFSET: u64 = 352;

/// A volume in memory, its voxels as the file has them.
pub(crate) struct Volume {
    /// Voxels along x, y and z.
    pub size: [usize; 3],
    /// Values a voxel: those of the fourth dimension, or three of colours.
    pub channels: usize,
    /// The file up to its first voxel: header and extensions.
    pub head: Vec<u8>,
    /// Byte order of header and voxels.
    pub order: Endianness,
    kind: NiftiType,
    slope: f32,
    intercept: f32,
    voxels: Vec<u8>,
    extremes: OnceLock<Option<Vec<[f64; 2]>>>,
    percentiles: OnceLock<Option<Vec<[f64; 2]>>>,
}

impl Volume {
    /// Reads a file. What it claims to hold is held against its length before it is given memory.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be opened, [`Error::Data`] where it is no NIfTI-1 file, holds what is not read, or is
    /// damaged or cut short.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let mut file = BufReader::new(file);
        let packed = file.fill_buf().map_err(Error::io(path))?.starts_with(&[0x1f, 0x8b]);
        let mut source: Box<dyn Read> =
            if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let cut = |error: &dyn std::fmt::Display| {
            Error::data(path, format!("damaged or cut short ({error}); copy or export it again"))
        };
        let mut head = Vec::new();
        source.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|e| cut(&e))?;
        let header = header(&head).map_err(|message| Error::data(path, message))?;
        let kind = header.data_type().map_err(|e| Error::data(path, format!("{e}; convert it to f32")))?;
        let (size, channels) = layout(&header, kind).map_err(|message| Error::data(path, message))?;
        let most = if packed { most_bytes(length) } else { length };
        let offset = (header.vox_offset as u64).max(LEAST_OFFSET);
        let claimed =
            header.dim[1..=usize::from(header.dim[0])].iter().map(|n| u128::from(*n)).product::<u128>();
        let claimed = claimed * kind.size_of() as u128 + u128::from(offset);
        if claimed > u128::from(most) {
            return Err(cut(&format!("{length} bytes cannot hold the {claimed} that its header claims")));
        }
        source.by_ref().take(offset - HEAD as u64).read_to_end(&mut head).map_err(|e| cut(&e))?;
        let voxels = InMemNiftiVolume::from_reader(source, &header).map_err(|e| cut(&e))?.into_raw_data();
        // A factor that is no number is none, as 0.
        let scaled = header.scl_slope.is_finite() && header.scl_inter.is_finite();
        Ok(Self {
            size,
            channels,
            head,
            order: header.endianness,
            kind,
            slope: if scaled { header.scl_slope } else { 0.0 },
            intercept: if scaled { header.scl_inter } else { 0.0 },
            voxels,
            extremes: OnceLock::new(),
            percentiles: OnceLock::new(),
        })
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.voxels.len() + self.head.len()
    }

    /// Whether the channels are red, green and blue.
    pub(super) fn is_colour(&self) -> bool {
        matches!(self.kind, NiftiType::Rgb24 | NiftiType::Rgba32)
    }

    fn voxels_a_channel(&self) -> usize {
        self.size.iter().product()
    }

    /// A value, scaled as the header says; NaN where there is none.
    pub(super) fn value(&self, [x, y, z]: [usize; 3], channel: usize) -> f64 {
        let [nx, ny, _] = self.size;
        self.number(x + nx * (y + ny * z), channel)
    }

    fn number(&self, voxel: usize, channel: usize) -> f64 {
        let width = self.kind.size_of();
        let at = match self.is_colour() {
            true => voxel * width + channel,
            false => (voxel + channel * self.voxels_a_channel()) * width,
        };
        let bytes = self.voxels.get(at..).unwrap_or_default();
        if self.is_colour() {
            return bytes.first().map_or(f64::NAN, |v| f64::from(*v));
        }
        self.kind.read_primitive_value(bytes, self.order, self.slope, self.intercept).unwrap_or(f64::NAN)
    }

    /// What becomes black and white, by channel (for colours all together); `None` where a channel holds nothing finite.
    pub(super) fn ends(&self, range: Range) -> Option<Vec<[f64; 2]>> {
        let find = || -> Option<Vec<[f64; 2]>> {
            let of = |channel: usize| {
                range.ends((0..self.voxels_a_channel()).map(|voxel| self.number(voxel, channel)))
            };
            (0..self.channels).map(of).collect()
        };
        match range {
            Range::Given(_) => find(),
            _ if self.is_colour() => Some(vec![[0.0, 255.0]; 3]),
            Range::Auto | Range::MinMax => self.extremes.get_or_init(find).clone(),
            Range::Percentiles => self.percentiles.get_or_init(find).clone(),
        }
    }
}

fn header(head: &[u8]) -> Result<NiftiHeader, String> {
    let foreign = "no NIfTI-1 file in one piece (its header has no magic n+1); convert it to .nii";
    match head.get(344..348) {
        Some(b"n+1\0") => {}
        Some(b"ni1\0") => {
            return Err("its voxels are in another file (.hdr and .img); convert it to .nii".to_owned());
        }
        _ if matches!(head.get(4..8), Some(b"n+2\0" | b"ni2\0")) => {
            return Err("NIfTI-2 is not read; convert it to NIfTI-1".to_owned());
        }
        _ => return Err(foreign.to_owned()),
    }
    let header = NiftiHeader::from_reader(head).map_err(|e| format!("its header cannot be read ({e})"))?;
    if header.sizeof_hdr != HEAD as i32 {
        return Err(foreign.to_owned());
    }
    Ok(header)
}

/// Size and channels of what a header claims.
fn layout(header: &NiftiHeader, kind: NiftiType) -> Result<([usize; 3], usize), String> {
    use NiftiType::{Complex64, Complex128, Complex256, Float128, Rgb24, Rgba32};
    if matches!(kind, Complex64 | Complex128 | Complex256 | Float128) {
        return Err(format!("{kind:?} voxels are not read; convert it to f32"));
    }
    if i64::from(header.bitpix) != 8 * kind.size_of() as i64 {
        return Err(format!("its header says {kind:?} and {} bits a voxel; it is damaged", header.bitpix));
    }
    let dims =
        header.dim().map_err(|e| format!("its dimensions are {:?} ({e}); it is damaged", header.dim))?;
    if !header.vox_offset.is_finite() || !(0.0..1e9).contains(&header.vox_offset) {
        return Err(format!("its voxels are said to begin at byte {}; it is damaged", header.vox_offset));
    }
    let at = |axis: usize| dims.get(axis).map_or(1, |n| usize::from(*n));
    if dims.iter().skip(4).any(|n| *n > 1) {
        return Err(format!("has the dimensions {dims:?}; four are read, the last for channels"));
    }
    let colour = matches!(kind, Rgb24 | Rgba32);
    if colour && at(3) > 1 {
        return Err("holds a series of colour volumes; split it into volumes".to_owned());
    }
    Ok(([at(0), at(1), at(2)], if colour { 3 } else { at(3) }))
}

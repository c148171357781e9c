//! NIfTI and DICOM files made by hand, for tests here and in `tests/`.
#![allow(dead_code)]

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};

/// What a NIfTI-1 file is to say of itself.
#[derive(Clone)]
pub struct Nifti {
    /// Voxels along each axis.
    pub dims: Vec<u16>,
    /// The code of NIfTI-1.
    pub datatype: i16,
    pub big_endian: bool,
    pub slope: f32,
    pub intercept: f32,
    /// Extensions; a multiple of 16 bytes.
    pub extension: Vec<u8>,
}

impl Default for Nifti {
    fn default() -> Self {
        Self {
            dims: vec![4, 4, 4],
            datatype: 2,
            big_endian: false,
            slope: 1.0,
            intercept: 0.0,
            extension: Vec::new(),
        }
    }
}

/// Writes a volume, packed where its name ends in .gz, with `value` of the number of a voxel.
pub fn nifti(path: &Path, about: &Nifti, value: impl Fn(usize) -> f64) {
    let mut head = vec![0u8; 352];
    let mut put = |at: usize, little: &[u8]| {
        let mut bytes = little.to_vec();
        if about.big_endian {
            bytes.reverse();
        }
        head[at..at + bytes.len()].copy_from_slice(&bytes);
    };
    let width = match about.datatype {
        2 | 256 => 1,
        4 | 512 => 2,
        128 => 3,
        8 | 16 | 768 => 4,
        1536 => 16,
        _ => 8,
    };
    put(0, &348i32.to_le_bytes());
    put(40, &(about.dims.len() as u16).to_le_bytes());
    for (axis, n) in (1..8).map(|axis| (axis, about.dims.get(axis - 1).copied().unwrap_or(1))) {
        put(40 + 2 * axis, &n.to_le_bytes());
        put(76 + 4 * axis, &(0.5 + axis as f32).to_le_bytes());
    }
    put(70, &about.datatype.to_le_bytes());
    put(72, &(8 * width as i16).to_le_bytes());
    put(108, &(352.0 + about.extension.len() as f32).to_le_bytes());
    put(112, &about.slope.to_le_bytes());
    put(116, &about.intercept.to_le_bytes());
    put(252, &1i16.to_le_bytes());
    put(254, &2i16.to_le_bytes());
    for (i, at) in (256..328).step_by(4).enumerate() {
        put(at, &(i as f32 - 3.5).to_le_bytes());
    }
    head[344..348].copy_from_slice(b"n+1\0");
    head[348] = u8::from(!about.extension.is_empty());
    head[148..158].copy_from_slice(b"made here.");
    head.extend(&about.extension);
    let voxels: usize = about.dims.iter().map(|n| usize::from(*n)).product();
    for voxel in 0..voxels {
        let v = value(voxel);
        let mut bytes = match about.datatype {
            4 => (v as i16).to_le_bytes().to_vec(),
            8 => (v as i32).to_le_bytes().to_vec(),
            16 => (v as f32).to_le_bytes().to_vec(),
            64 => v.to_le_bytes().to_vec(),
            128 => vec![v as u8, v as u8 + 1, v as u8 + 2],
            256 => (v as i8).to_le_bytes().to_vec(),
            512 => (v as u16).to_le_bytes().to_vec(),
            768 => (v as u32).to_le_bytes().to_vec(),
            1024 => (v as i64).to_le_bytes().to_vec(),
            1280 => (v as u64).to_le_bytes().to_vec(),
            2 => vec![v as u8],
            _ => vec![0; width],
        };
        if about.big_endian && about.datatype != 128 {
            bytes.reverse();
        }
        head.extend(bytes);
    }
    if path.extension().is_some_and(|e| e == "gz") {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&head).unwrap();
        head = packed.finish().unwrap();
    }
    std::fs::write(path, head).unwrap();
}

/// Elements of a DICOM file.
pub struct Dicom {
    bytes: Vec<u8>,
    implicit: bool,
}

impl Dicom {
    /// The beginning of a file of `rows` x `columns` gray pixels of so many bits, in explicit little endian.
    pub fn gray(rows: u16, columns: u16, bits: u16, signed: bool, photometric: &str) -> Self {
        let samples = if photometric.starts_with("MONO") { 1u16 } else { 3 };
        let mut all = Self::new(false).number(0x0002, samples).text(0x0004, b"CS", photometric);
        if samples == 3 {
            all = all.number(0x0006, 0);
        }
        all.number(0x0010, rows)
            .number(0x0011, columns)
            .number(0x0100, bits)
            .number(0x0101, bits)
            .number(0x0102, bits - 1)
            .number(0x0103, u16::from(signed))
    }

    /// A file without elements, in implicit or explicit little endian.
    pub fn new(implicit: bool) -> Self {
        let uid: &[u8] = if implicit { b"1.2.840.10008.1.2\0" } else { b"1.2.840.10008.1.2.1\0" };
        let mut meta = Self { bytes: Vec::new(), implicit: false };
        for (element, kind, value) in [
            (0x0002, b"UI", &b"1.2.840.10008.5.1.4.1.1.7\0"[..]),
            (0x0003, b"UI", b"1.2.3.4\0"),
            (0x0010, b"UI", uid),
            (0x0012, b"UI", b"1.2.3.5\0"),
        ] {
            meta = meta.element((0x0002, element), kind, value);
        }
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        let mut all = Self { bytes, implicit: false };
        all = all.element((0x0002, 0x0000), b"UL", &(meta.bytes.len() as u32).to_le_bytes());
        all.bytes.extend(meta.bytes);
        Self { implicit, ..all }
    }

    pub fn element(mut self, (group, element): (u16, u16), kind: &[u8; 2], value: &[u8]) -> Self {
        self.bytes.extend([group.to_le_bytes(), element.to_le_bytes()].concat());
        let length = value.len() as u32;
        match (self.implicit, kind) {
            (true, _) => self.bytes.extend(length.to_le_bytes()),
            (false, b"OB" | b"OW" | b"SQ" | b"UN") => {
                self.bytes.extend(kind);
                self.bytes.extend([0, 0]);
                self.bytes.extend(length.to_le_bytes());
            }
            (false, _) => {
                self.bytes.extend(kind);
                self.bytes.extend((length as u16).to_le_bytes());
            }
        }
        self.bytes.extend(value);
        self
    }

    /// A number of group 0028.
    pub fn number(self, element: u16, value: u16) -> Self {
        self.element((0x0028, element), b"US", &value.to_le_bytes())
    }

    /// A text of group 0028, padded to an even length.
    pub fn text(self, element: u16, kind: &[u8; 2], value: &str) -> Self {
        let padded = if value.len().is_multiple_of(2) { value.to_owned() } else { format!("{value} ") };
        self.element((0x0028, element), kind, padded.as_bytes())
    }

    /// Bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// The file with its pixels of 8 bits.
    pub fn bytes8(self, pixels: &[u8]) -> Vec<u8> {
        self.element((0x7fe0, 0x0010), b"OB", pixels).bytes
    }

    /// The file with its pixels of 16 bits.
    pub fn bytes16(self, pixels: &[i32]) -> Vec<u8> {
        let bytes: Vec<u8> = pixels.iter().flat_map(|v| (*v as u16).to_le_bytes()).collect();
        self.element((0x7fe0, 0x0010), b"OW", &bytes).bytes
    }
}

//! Small files for the tests of this room.

mod medical;

use std::path::Path;

pub(crate) use medical::{Dicom, Nifti, nifti};

/// An 8-bit gray PNG whose pixel at (x, y) is `value(x, y)`.
pub(crate) fn gray_png(path: &Path, width: u32, height: u32, value: impl Fn(u32, u32) -> u8) {
    image::GrayImage::from_fn(width, height, |x, y| image::Luma([value(x, y)])).save(path).unwrap();
}

/// An 8-bit RGB PNG.
pub(crate) fn rgb_png(path: &Path, width: u32, height: u32, value: impl Fn(u32, u32) -> [u8; 3]) {
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb(value(x, y))).save(path).unwrap();
}

/// A PNG of any depth and colour type, uncompressed. `rows` are the packed rows, one after another.
pub(crate) fn png_bytes(w: u32, h: u32, depth: u8, colour: u8, palette: &[[u8; 3]], rows: &[u8]) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let size = [w.to_be_bytes(), h.to_be_bytes()].concat();
    chunk(&mut out, b"IHDR", &[&size[..], &[depth, colour, 0, 0, 0]].concat());
    if !palette.is_empty() {
        chunk(&mut out, b"PLTE", &palette.concat());
    }
    let per_row = rows.len() / (h as usize).max(1);
    let raw: Vec<u8> = rows.chunks(per_row.max(1)).flat_map(|row| [&[0], row].concat()).collect();
    let length = raw.len() as u16;
    let mut zlib = vec![0x78, 1, 1];
    zlib.extend(length.to_le_bytes());
    zlib.extend((!length).to_le_bytes());
    zlib.extend(&raw);
    let (a, b) = raw.iter().fold((1u32, 0u32), |(a, b), &v| {
        let a = (a + u32::from(v)) % 65521;
        (a, (b + a) % 65521)
    });
    zlib.extend((b << 16 | a).to_be_bytes());
    chunk(&mut out, b"IDAT", &zlib);
    chunk(&mut out, b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    out.extend((body.len() as u32).to_be_bytes());
    let checked = [&kind[..], body].concat();
    out.extend(&checked);
    let crc = checked.iter().fold(u32::MAX, |mut crc, &v| {
        crc ^= u32::from(v);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 });
        crc
    });
    out.extend((!crc).to_be_bytes());
}

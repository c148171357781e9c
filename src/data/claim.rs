//! What a file of a picture says that it holds, looked at before it is given memory.

use std::path::Path;

use crate::{Error, Result};

/// Pictures of more pixels than this are refused before they are decoded.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Bytes of samples that a byte of a file can stand for: 1032 by deflate, some 1300 by LZW and by JPEG.
const MAX_EXPANSION: u64 = 2048;

/// What a file claims to hold.
pub(super) struct Claim {
    pub width: u32,
    pub height: u32,
    /// Bits a pixel, uncompressed.
    pub bits: u64,
    /// Whether it may be a fax, whose empty lines take a bit each.
    pub fax: bool,
}

impl Claim {
    /// Refuses a claim that nothing can hold, or not `length` bytes: such a file is cut short.
    pub(super) fn check(&self, path: &Path, length: u64) -> Result<()> {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let complaint = if width == 0 || height == 0 {
            format!("has no pixels ({width}x{height}); remove it or export it again")
        } else if width * height > MAX_PIXELS {
            format!("{width}x{height} pixels are more than {MAX_PIXELS}; cut it into smaller pictures")
        } else if self.least_bytes() > length {
            format!("{length} bytes cannot hold {width}x{height} pixels: cut short; copy or export it again")
        } else {
            return Ok(());
        };
        Err(Error::data(path, complaint))
    }

    /// Bytes that a file must have to hold that.
    fn least_bytes(&self) -> u64 {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        if self.fax { height / 8 } else { width * height * self.bits / 8 / MAX_EXPANSION }
    }
}

/// Bytes of samples that a file of `length` bytes can hold at most.
pub(super) fn most_bytes(length: u64) -> u64 {
    length.saturating_mul(MAX_EXPANSION)
}

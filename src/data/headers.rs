//! The few facts of a file's structure that the decoder does not pass on.

/// What the header of a PNG says about its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PngHead {
    /// Bits a sample: 1, 2, 4, 8 or 16.
    pub depth: u8,
    /// Whether samples are indices into `palette`.
    pub indexed: bool,
    /// The palette without the filler that some writers append; empty where there is none.
    pub palette: Vec<[u8; 3]>,
}

/// Reads the header and palette of a PNG, or `None` where `bytes` is no PNG.
pub(crate) fn png(bytes: &[u8]) -> Option<PngHead> {
    let mut rest = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let mut head = None;
    loop {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let kind = rest.get(4..8)?;
        let body = rest.get(8..8usize.checked_add(length)?)?;
        match (kind, head.as_mut()) {
            (b"IHDR", _) => {
                let (depth, colour) = (*body.get(8)?, *body.get(9)?);
                head = Some(PngHead { depth, indexed: colour == 3, palette: Vec::new() });
            }
            (b"PLTE", Some(PngHead { palette, .. })) => *palette = trim_filler(body),
            (b"IDAT", _) => return head,
            _ => {}
        }
        rest = rest.get(length.checked_add(12)?..)?;
    }
}

/// Bits a pixel in a PNG that begins with `bytes`; `None` where it is none.
pub(crate) fn png_bits(bytes: &[u8]) -> Option<u64> {
    let head = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let (depth, colour) = (*head.get(16)?, *head.get(17)?);
    let samples = match colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    Some(u64::from(depth) * samples)
}

/// Splits a palette chunk into colours; a run of equal colours at its end fills it up and is no colour of the
/// mask.
fn trim_filler(body: &[u8]) -> Vec<[u8; 3]> {
    let mut colours: Vec<[u8; 3]> = body.chunks_exact(3).map(|c| [c[0], c[1], c[2]]).collect();
    let Some(&last) = colours.last() else { return colours };
    let run = colours.iter().rev().take_while(|&&c| c == last).count();
    if run > 1 {
        colours.truncate(colours.len() - run);
        if !colours.contains(&last) {
            colours.push(last);
        }
    }
    colours
}

/// Whether a JPEG's last scan is closed by an end marker. The decoder fills the missing part of a picture
/// with gray and reports success. Inside a scan 0xFF is followed by 0 or a restart marker, so the search
/// finds true markers.
pub(crate) fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|w| w == [0xFF, marker]);
    matches!((last(0xDA), last(0xD9)), (Some(scan), Some(end)) if end > scan)
}

/// Whether a TIFF holds a second full picture. Decoding one would drop the rest of a stack without a word.
/// Thumbnails and pyramid levels (new-subfile-type bit 0) do not count.
pub(crate) fn tiff_is_stack(bytes: &[u8]) -> bool {
    second_page(bytes).is_some_and(|reduced| !reduced)
}

/// Whether the second directory of a classic TIFF is a reduced copy; `None` where there is no second one.
fn second_page(bytes: &[u8]) -> Option<bool> {
    let big_endian = match bytes.get(..4)? {
        b"II*\0" => false,
        b"MM\0*" => true,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let raw = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    };
    let u32_at = |at: usize| {
        let raw = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    };
    let first = u32_at(4)? as usize;
    let entries = usize::from(u16_at(first)?);
    let second = u32_at(first.checked_add(2 + entries * 12)?)? as usize;
    if second == 0 {
        return None;
    }
    let entries = usize::from(u16_at(second)?);
    let tag_254 = (0..entries).map(|i| second + 2 + i * 12).find(|&at| u16_at(at) == Some(254));
    Some(tag_254.and_then(|at| u32_at(at + 8)).is_some_and(|kind| kind & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::png_bytes;

    #[test]
    fn png_header_and_palette_are_read() {
        let palette = [[0, 0, 0], [255, 0, 0], [9, 9, 9], [9, 9, 9]];
        let head = png(&png_bytes(2, 1, 2, 3, &palette, &[0b0001_0000])).unwrap();
        assert_eq!((head.depth, head.indexed), (2, true));
        assert_eq!(head.palette, vec![[0, 0, 0], [255, 0, 0], [9, 9, 9]]);
        assert_eq!(png(b"\x89PNG\r\n\x1a\n\0\0"), None);
        assert_eq!(png(b"BM"), None);
    }

    #[test]
    fn filler_that_repeats_a_real_colour_is_dropped() {
        let body: Vec<u8> = [[0u8, 0, 0], [1, 2, 3], [0, 0, 0], [0, 0, 0]].concat();
        assert_eq!(trim_filler(&body), vec![[0, 0, 0], [1, 2, 3]]);
    }

    #[test]
    fn an_end_marker_before_the_last_scan_does_not_count() {
        assert!(jpeg_is_complete(&[0xFF, 0xD8, 0xFF, 0xDA, 1, 2, 0xFF, 0xD9, 0]));
        assert!(!jpeg_is_complete(&[0xFF, 0xD8, 0xFF, 0xD9, 0xFF, 0xDA, 1, 2]));
    }

    #[test]
    fn stacks_are_told_from_thumbnails() {
        let two_pages = |subfile: u8| {
            let mut bytes = b"II*\0\x08\0\0\0".to_vec();
            bytes.extend([0, 0, 14, 0, 0, 0]);
            bytes.extend([1, 0, 254, 0, 4, 0, 1, 0, 0, 0, subfile, 0, 0, 0, 0, 0, 0, 0]);
            bytes
        };
        assert!(tiff_is_stack(&two_pages(0)));
        assert!(!tiff_is_stack(&two_pages(1)));
        assert!(!tiff_is_stack(b"II*\0\x08\0\0\0\0\0\0\0\0\0"));
        assert!(!tiff_is_stack(b"II*\0\xff\xff\xff\xff"));
    }
}

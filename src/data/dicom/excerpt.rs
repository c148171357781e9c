//! Of a DICOM file the elements that a picture is made of, each looked at whether the file is long enough for it.

/// Where the mark ends and the elements begin.
const START: usize = 132;
/// A length that is not told.
const UNTOLD: u32 = u32::MAX;
/// Nesting beyond this is none that a scanner writes.
const DEEPEST: usize = 32;
/// Elements of group 0028 that are kept: samples, photometric interpretation, planar configuration, frames, rows, columns,
/// bits (allocated, stored, high), sign, window (centre, width, function), and slope and intercept.
const KEPT: [u16; 15] = [
    0x0002, 0x0004, 0x0006, 0x0008, 0x0010, 0x0011, 0x0100, 0x0101, 0x0102, 0x0103, 0x1050, 0x1051, 0x1052,
    0x1053, 0x1056,
];
/// Value representations whose length takes two bytes. That of others takes four, behind two that are 0; what is no
/// representation counts as an unknown one, as the reader has it.
const SHORT: [&[u8; 2]; 21] = [
    b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL",
    b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
];
/// The others that are known.
const LONG: [&[u8; 2]; 12] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UR", b"UT", b"UV"];

/// How elements are written.
#[derive(Clone, Copy)]
struct Syntax {
    implicit: bool,
    big_endian: bool,
}

/// The head of an element.
struct Element {
    tag: (u16, u16),
    unknown: bool,
    length: u32,
    /// Where its value begins.
    value: usize,
}

/// The file without what no picture is made of.
///
/// # Errors
/// In words, where an element is longer than the file, or nested beyond reason.
pub(super) fn excerpt(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut kept = bytes.get(..START).unwrap_or_default().to_vec();
    let (mut at, mut syntax) = (START, Syntax { implicit: false, big_endian: false });
    let mut uid: &[u8] = b"";
    // The elements that tell how the others are written.
    while let Some(element) = element(bytes, at, syntax).filter(|e| e.tag.0 == 0x0002) {
        let end = end(bytes, &element, syntax)?;
        if element.tag.1 == 0x0010 {
            uid = &bytes[element.value..end];
        }
        kept.extend(&bytes[at..end]);
        at = end;
    }
    // The length of that group: where it is wrong the reader would take others for it.
    let length = (kept.len().saturating_sub(START + 12) as u32).to_le_bytes();
    kept.iter_mut().skip(START + 8).zip(length).for_each(|(byte, right)| *byte = right);
    match uid.trim_ascii_end().strip_suffix(b"\0").unwrap_or(uid.trim_ascii_end()) {
        b"1.2.840.10008.1.2" => syntax.implicit = true,
        b"1.2.840.10008.1.2.2" => syntax.big_endian = true,
        b"1.2.840.10008.1.2.1.99" => return Err("its elements are deflated, which is not read".to_owned()),
        _ => {}
    }
    while at < bytes.len() {
        let Some(element) = element(bytes, at, syntax) else { return Err(cut(at)) };
        let end = end(bytes, &element, syntax)?;
        let (group, number) = element.tag;
        if (group == 0x0028 && KEPT.contains(&number) && element.length != UNTOLD)
            || element.tag == (0x7fe0, 0x0010)
        {
            kept.extend(&bytes[at..end]);
        }
        at = end;
    }
    Ok(kept)
}

fn cut(at: usize) -> String {
    format!("damaged or cut short at byte {at}")
}

/// The head of the element at a place; `None` where the file ends in it.
fn element(bytes: &[u8], at: usize, syntax: Syntax) -> Option<Element> {
    let two = |at: usize| {
        let raw = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if syntax.big_endian { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    };
    let four = |at: usize| {
        let raw = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if syntax.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    };
    let tag = (two(at)?, two(at + 2)?);
    if syntax.implicit || tag.0 == 0xfffe {
        return Some(Element { tag, unknown: false, length: four(at + 4)?, value: at + 8 });
    }
    let kind = bytes.get(at + 4..at + 6)?;
    if SHORT.iter().any(|short| kind == *short) {
        return Some(Element { tag, unknown: false, length: two(at + 6)?.into(), value: at + 8 });
    }
    let unknown = !LONG.iter().any(|long| kind == *long);
    Some(Element { tag, unknown, length: four(at + 8)?, value: at + 12 })
}

/// Where an element ends.
fn end(bytes: &[u8], element: &Element, syntax: Syntax) -> Result<usize, String> {
    if element.length != UNTOLD {
        let end = element.value + element.length as usize;
        return if end <= bytes.len() { Ok(end) } else { Err(cut(element.value)) };
    }
    if element.tag == (0x7fe0, 0x0010) {
        return fragments_end(bytes, element.value, syntax);
    }
    // What is in an unknown element is written with implicit representations.
    let inside = Syntax { implicit: syntax.implicit || element.unknown, ..syntax };
    sequence_end(bytes, element.value, inside, DEEPEST)
}

/// The end of compressed pixels: items of told lengths up to the delimiter.
fn fragments_end(bytes: &[u8], mut at: usize, syntax: Syntax) -> Result<usize, String> {
    loop {
        let item = element(bytes, at, syntax).ok_or_else(|| cut(at))?;
        match item.tag {
            (0xfffe, 0xe0dd) => return Ok(item.value),
            (0xfffe, 0xe000) if item.length != UNTOLD => at = end(bytes, &item, syntax)?,
            _ => return Err(cut(at)),
        }
    }
}

/// The end of a sequence whose length is not told.
fn sequence_end(bytes: &[u8], mut at: usize, syntax: Syntax, deeper: usize) -> Result<usize, String> {
    if deeper == 0 {
        return Err(format!("sequences are nested more than {DEEPEST} deep at byte {at}"));
    }
    loop {
        let inner = element(bytes, at, syntax).ok_or_else(|| cut(at))?;
        at = match inner.tag {
            (0xfffe, 0xe0dd) => return Ok(inner.value),
            // The elements of an item of untold length, up to its delimiter, are gone through like the items.
            (0xfffe, 0xe00d) => inner.value,
            (0xfffe, 0xe000) if inner.length == UNTOLD => inner.value,
            _ if inner.length == UNTOLD => {
                let inside = Syntax { implicit: syntax.implicit || inner.unknown, ..syntax };
                sequence_end(bytes, inner.value, inside, deeper - 1)?
            }
            _ => end(bytes, &inner, syntax)?,
        };
    }
}

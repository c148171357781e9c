//! What the values of mask files mean, decided over a whole data set.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::mask::{Pixels, RawMask};
use super::{NAMED, file_name, name_some};
use crate::{Error, Result};

/// How mask files write their classes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskCoding {
    /// To be found out from the files by [`decide_coding`].
    #[default]
    Auto,
    /// Two classes, 0 and 1.
    Binary01,
    /// Two classes, 0 and 255.
    Binary0_255,
    /// Two classes: 0, and all other values.
    Nonzero,
    /// The value is the class index.
    Indices,
    /// Each listed colour (RGB) is the class beside it; several colours may share a class.
    Colours(Vec<([u8; 3], u8)>),
}

impl fmt::Display for MaskCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Binary01 => "0/1",
            Self::Binary0_255 => "0/255",
            Self::Nonzero => "0 and other values",
            Self::Indices => "class indices",
            Self::Colours(_) => "colours",
        })
    }
}

/// What one file holds: its distinct values, or colours.
enum Census {
    /// One bit a pixel: fits every coding but colours.
    Bilevel,
    Values(BTreeSet<u8>),
    Colours(BTreeSet<[u8; 3]>),
}

/// Scans all masks and returns the one coding that fits every file, for `classes` (2 to 256) classes. A
/// coding other than [`MaskCoding::Auto`] is checked against the files and returned. `paths` must not be
/// empty.
///
/// # Errors
/// [`Error::Data`] naming up to five offending files with their values; [`Error::Config`] for a bad number of
/// classes or colour map.
pub fn decide_coding(paths: &[PathBuf], classes: usize, coding: &MaskCoding) -> Result<MaskCoding> {
    check_request(classes, coding)?;
    if paths.is_empty() {
        return Err(Error::Config("there are no masks to tell the mask coding from".into()));
    }
    let wants_colours = matches!(coding, MaskCoding::Colours(_));
    let wants_any = *coding == MaskCoding::Nonzero;
    // Collected before errors are looked at, so that all are named, in order.
    let scans: Vec<Result<Census>> =
        paths.par_iter().map(|path| census(path, wants_colours, wants_any)).collect();
    let (mut seen, mut unreadable) = (Vec::with_capacity(scans.len()), Vec::new());
    for scan in scans {
        match scan {
            Ok(census) => seen.push(census),
            Err(error) => unreadable.push(error),
        }
    }
    Error::all(unreadable)?;
    let scans = seen;
    let files: Vec<(&Path, &Census)> = paths.iter().map(PathBuf::as_path).zip(&scans).collect();
    refuse_unmapped_colours(&files, coding)?;
    match coding {
        MaskCoding::Auto if classes == 2 => decide_binary(&files),
        MaskCoding::Auto | MaskCoding::Indices => {
            let below = |v: u8| usize::from(v) < classes;
            refuse(&files, &below, &format!("class indices below {classes}"))?;
            Ok(MaskCoding::Indices)
        }
        MaskCoding::Binary01 => refuse(&files, &|v| v < 2, "the values 0 and 1").map(|()| coding.clone()),
        MaskCoding::Binary0_255 => {
            refuse(&files, &|v| matches!(v, 0 | 255), "the values 0 and 255").map(|()| coding.clone())
        }
        MaskCoding::Nonzero | MaskCoding::Colours(_) => Ok(coding.clone()),
    }
}

fn check_request(classes: usize, coding: &MaskCoding) -> Result<()> {
    if !(2..=256).contains(&classes) {
        return Err(Error::Config(format!(
            "{classes} classes: masks hold 2 (background and one class) to 256"
        )));
    }
    match coding {
        MaskCoding::Binary01 | MaskCoding::Binary0_255 | MaskCoding::Nonzero if classes != 2 => {
            Err(Error::Config(format!("the mask coding {coding} has 2 classes, not {classes}")))
        }
        MaskCoding::Colours(map) => check_map(map, classes),
        _ => Ok(()),
    }
}

fn check_map(map: &[([u8; 3], u8)], classes: usize) -> Result<()> {
    if map.is_empty() {
        return Err(Error::Config("the colour map of the masks is empty".into()));
    }
    for (i, (colour, class)) in map.iter().enumerate() {
        if usize::from(*class) >= classes {
            let message =
                format!("colour map: {colour:?} is class {class}, but there are {classes} classes (from 0)");
            return Err(Error::Config(message));
        }
        if let Some((_, other)) = map[..i].iter().find(|(earlier, _)| earlier == colour) {
            return Err(Error::Config(format!(
                "colour map: {colour:?} is listed twice, as {other} and {class}"
            )));
        }
    }
    Ok(())
}

fn census(path: &Path, wants_colours: bool, wants_any: bool) -> Result<Census> {
    let pixels = RawMask::read(path)?.pixels;
    match pixels {
        _ if wants_any => Ok(Census::Bilevel),
        Pixels::Bilevel(_) if !wants_colours => Ok(Census::Bilevel),
        Pixels::Colour(_, ref palette) if palette.is_empty() => {
            Ok(Census::Colours(distinct_colours(&pixels)))
        }
        ref pixels if wants_colours => Ok(Census::Colours(distinct_colours(pixels))),
        pixels => Ok(Census::Values(distinct_values(&pixels.values(path)?))),
    }
}

fn distinct_values(values: &[u8]) -> BTreeSet<u8> {
    let mut seen = [false; 256];
    values.iter().for_each(|&v| seen[usize::from(v)] = true);
    (0..=255).filter(|&v| seen[usize::from(v)]).collect()
}

/// Distinct colours, up to one more than a map can hold: beyond that some colour is unmapped anyway.
fn distinct_colours(pixels: &Pixels) -> BTreeSet<[u8; 3]> {
    let mut found = BTreeSet::new();
    let mut last = None;
    for colour in pixels.colours() {
        // Neighbours are mostly equal, and the comparison is much cheaper than the look-up.
        if last != Some(colour) {
            found.insert(colour);
            last = Some(colour);
        }
        if found.len() > 256 {
            break;
        }
    }
    found
}

fn refuse_unmapped_colours(files: &[(&Path, &Census)], coding: &MaskCoding) -> Result<()> {
    let map: &[([u8; 3], u8)] = if let MaskCoding::Colours(map) = coding { map } else { &[] };
    let offending = files.iter().filter_map(|(path, census)| {
        let Census::Colours(found) = census else { return None };
        let is_mapped = |colour: &[u8; 3]| map.iter().any(|(mapped, _)| mapped == colour);
        let unmapped: Vec<String> =
            found.iter().filter(|c| !is_mapped(c)).map(|c| format!("{c:?}")).collect();
        (!unmapped.is_empty()).then_some((*path, unmapped))
    });
    let advice = if map.is_empty() {
        "masks are in colours; give the colour of each class (mask coding `colours`)"
    } else {
        "masks have colours that the colour map does not list"
    };
    report(offending.collect(), advice)
}

/// Binary masks are all 0/1 or all 0/255. Files of background alone and files of one bit fit either.
fn decide_binary(files: &[(&Path, &Census)]) -> Result<MaskCoding> {
    refuse(files, &|v| matches!(v, 0 | 1 | 255), "the values 0 and 1, or 0 and 255, for 2 classes")?;
    let holds = |census: &Census, v: u8| matches!(census, Census::Values(found) if found.contains(&v));
    let with = |v: u8| files.iter().filter(|(_, c)| holds(c, v)).map(|(p, _)| *p).collect::<Vec<_>>();
    let (ones, whites) = (with(1), with(255));
    match (ones.is_empty(), whites.is_empty()) {
        (_, true) => Ok(MaskCoding::Binary01),
        (true, false) => Ok(MaskCoding::Binary0_255),
        (false, false) => {
            let names = |paths: &[&Path]| name_some(&paths.iter().map(|p| file_name(p)).collect::<Vec<_>>());
            let fewer = if ones.len() <= whites.len() { &ones } else { &whites };
            let message = format!(
                "masks mix two codings: {} hold the value 1 ({}) and {} hold 255 ({}); rewrite one kind",
                ones.len(),
                names(&ones),
                whites.len(),
                names(&whites)
            );
            Err(Error::data(fewer[0], message))
        }
    }
}

fn refuse(files: &[(&Path, &Census)], fits: &dyn Fn(u8) -> bool, expected: &str) -> Result<()> {
    let offending = files.iter().filter_map(|(path, census)| {
        let Census::Values(found) = census else { return None };
        let bad: Vec<String> = found.iter().filter(|v| !fits(**v)).map(u8::to_string).collect();
        (!bad.is_empty()).then_some((*path, bad))
    });
    let offending: Vec<_> = offending.collect();
    let lossy = offending.iter().any(|(path, _)| {
        path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"))
    });
    let advice = if lossy { " (JPEG alters mask values: save masks as PNG)" } else { "" };
    report(offending, &format!("masks should hold {expected}{advice}"))
}

/// An error at the first offender that names up to five, each with up to five of its values.
fn report(offending: Vec<(&Path, Vec<String>)>, advice: &str) -> Result<()> {
    let Some((first, _)) = offending.first() else { return Ok(()) };
    let name = |(path, values): &(&Path, Vec<String>)| {
        let more = if values.len() > NAMED { ", ..." } else { "" };
        format!("{} holds {}{more}", file_name(path), values[..values.len().min(NAMED)].join(", "))
    };
    let names: Vec<String> = offending.iter().map(name).collect();
    Err(Error::data(*first, format!("{advice}: {}", name_some(&names))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{gray_png, png_bytes, rgb_png};

    /// One 4x1 gray mask for each list of values, the last value repeated.
    fn masks(dir: &Path, values: &[&[u8]]) -> Vec<PathBuf> {
        let write = |(i, values): (usize, &&[u8])| {
            let path = dir.join(format!("m{i}.png"));
            gray_png(&path, 4, 1, |x, _| values[(x as usize).min(values.len() - 1)]);
            path
        };
        values.iter().enumerate().map(write).collect()
    }

    fn decide(values: &[&[u8]], classes: usize, coding: &MaskCoding) -> Result<MaskCoding> {
        let dir = tempfile::tempdir().unwrap();
        decide_coding(&masks(dir.path(), values), classes, coding)
    }

    #[test]
    fn the_coding_follows_from_the_whole_set() {
        let auto = |values: &[&[u8]], classes| decide(values, classes, &MaskCoding::Auto).unwrap();
        assert_eq!(auto(&[&[0], &[0, 1], &[1]], 2), MaskCoding::Binary01);
        assert_eq!(auto(&[&[0], &[0, 255], &[255]], 2), MaskCoding::Binary0_255);
        assert_eq!(auto(&[&[0], &[0]], 2), MaskCoding::Binary01);
        assert_eq!(auto(&[&[0, 1], &[2]], 3), MaskCoding::Indices);
        assert_eq!(auto(&[&[0, 255]], 256), MaskCoding::Indices);
    }

    #[test]
    fn a_mixture_is_found_and_named() {
        let message =
            decide(&[&[0], &[0, 255], &[0, 1], &[0, 255]], 2, &MaskCoding::Auto).unwrap_err().to_string();
        for part in ["mix", "m1.png", "m2.png", "m3.png"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("m0.png"), "{message}");
        assert!(decide(&[&[0, 1, 255]], 2, &MaskCoding::Auto).is_err());
    }

    #[test]
    fn strange_values_are_named_with_up_to_five_files() {
        let message = decide(&[&[0, 255], &[0, 7, 9], &[8]], 2, &MaskCoding::Auto).unwrap_err().to_string();
        assert!(message.contains("m1.png holds 7, 9") && message.contains("m2.png holds 8"), "{message}");
        let many: Vec<&[u8]> = vec![&[0, 3]; 8];
        let message = decide(&many, 3, &MaskCoding::Auto).unwrap_err().to_string();
        assert!(
            message.contains("m4.png") && !message.contains("m5.png") && message.contains("3 more"),
            "{message}"
        );
        assert!(decide(&[&[0, 255]], 3, &MaskCoding::Auto).is_err());
    }

    #[test]
    fn a_stated_coding_is_checked() {
        assert!(decide(&[&[0, 1]], 2, &MaskCoding::Binary0_255).is_err());
        assert!(decide(&[&[0, 255]], 2, &MaskCoding::Binary01).is_err());
        assert!(decide(&[&[0, 2]], 2, &MaskCoding::Indices).is_err());
        assert_eq!(decide(&[&[0, 1]], 2, &MaskCoding::Indices).unwrap(), MaskCoding::Indices);
        assert!(matches!(decide(&[&[0, 1]], 3, &MaskCoding::Binary01), Err(Error::Config(_))));
        assert!(matches!(decide(&[&[0]], 1, &MaskCoding::Auto), Err(Error::Config(_))));
        assert!(matches!(decide(&[], 2, &MaskCoding::Auto), Err(Error::Config(_))));
    }

    #[test]
    fn one_bit_files_go_with_either_binary_coding() {
        let dir = tempfile::tempdir().unwrap();
        let bits = dir.path().join("bits.png");
        std::fs::write(&bits, png_bytes(3, 1, 1, 0, &[], &[0b0100_0000])).unwrap();
        for (white, expected) in [(1, MaskCoding::Binary01), (255, MaskCoding::Binary0_255)] {
            let mut paths = masks(dir.path(), &[&[0, white]]);
            paths.push(bits.clone());
            assert_eq!(decide_coding(&paths, 2, &MaskCoding::Auto).unwrap(), expected);
        }
        assert_eq!(decide_coding(&[bits], 2, &MaskCoding::Auto).unwrap(), MaskCoding::Binary01);
    }

    #[test]
    fn colours_need_a_complete_map() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.png");
        rgb_png(&path, 3, 1, |x, _| [[0; 3], [255, 0, 0], [255; 3]][x as usize]);
        let paths = [path];
        let message = decide_coding(&paths, 3, &MaskCoding::Auto).unwrap_err().to_string();
        assert!(message.contains("colour of each class"), "{message}");
        let map =
            |entries: &[([u8; 3], u8)]| decide_coding(&paths, 3, &MaskCoding::Colours(entries.to_vec()));
        assert!(map(&[([0; 3], 0), ([255, 0, 0], 1), ([255; 3], 2)]).is_ok());
        assert!(map(&[([0; 3], 0), ([255, 0, 0], 1)]).unwrap_err().to_string().contains("[255, 255, 255]"));
        assert!(matches!(map(&[([0; 3], 3)]), Err(Error::Config(_))));
        assert!(matches!(map(&[([0; 3], 0), ([0; 3], 1)]), Err(Error::Config(_))));
    }

    /// As the public sample of coronary angiograms writes background, catheter and artery.
    #[test]
    fn grey_levels_are_classes_where_they_are_given_as_colours() {
        let grey = |v: u8| [v; 3];
        let map = MaskCoding::Colours(vec![(grey(0), 0), (grey(100), 1), (grey(255), 2)]);
        let masks: [&[u8]; 2] = [&[0, 100, 255], &[0, 255]];
        assert_eq!(decide(&masks, 3, &map).unwrap(), map);
        assert!(decide(&masks, 3, &MaskCoding::Auto).is_err(), "by themselves they are no class numbers");
        assert!(decide(&[&[0, 101]], 3, &map).is_err());
        let dir = tempfile::tempdir().unwrap();
        let path = super::tests::masks(dir.path(), &masks).swap_remove(0);
        assert_eq!(crate::data::Mask::read(path, &map).unwrap().data, [0, 1, 2, 2]);
    }

    #[test]
    fn palette_files_count_by_index() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.png");
        let palette = [[0, 0, 0], [200, 0, 0], [0, 200, 0]];
        std::fs::write(&path, png_bytes(3, 1, 8, 3, &palette, &[0, 1, 2])).unwrap();
        assert_eq!(decide_coding(&[path], 3, &MaskCoding::Auto).unwrap(), MaskCoding::Indices);
    }
}

//! A mask in memory: one class index a pixel.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use super::coding::MaskCoding;
use super::decode::{Raster, decode, labels};
use super::levels::Range;
use super::picture::{Picture, write_png};
use super::random::below;
use super::{NAMED, name_some};
use crate::{Error, Result};
use rand_chacha::ChaCha8Rng;

/// Values that [`Mask::ranked`] takes for classes: more are rather a picture's.
const MOST_RANKED: usize = 16;

/// Class indices, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` class indices; x runs fastest.
    pub data: Vec<u8>,
}

impl Mask {
    /// Reads a mask in the coding that [`decide_coding`](super::decide_coding) found for its whole data set.
    ///
    /// # Errors
    /// As [`Picture::read`](super::Picture::read); [`Error::Data`] naming the values that do not fit the
    /// coding; [`Error::Config`] for [`MaskCoding::Auto`], because one file does not tell its coding (all
    /// background fits any).
    pub fn read(path: impl AsRef<Path>, coding: &MaskCoding) -> Result<Self> {
        let path = path.as_ref();
        let RawMask { width, height, pixels } = RawMask::read(path)?;
        let data = match coding {
            MaskCoding::Auto => {
                return Err(Error::Config(
                    "decide the mask coding over the whole data set before reading".into(),
                ));
            }
            MaskCoding::Nonzero => pixels.set(),
            MaskCoding::Colours(map) => from_colours(path, &pixels, map)?,
            coding => match pixels {
                Pixels::Bilevel(bits) => bits,
                other => from_values(path, other.values(path)?, coding)?,
            },
        };
        Ok(Self { width, height, data })
    }

    /// Left column and top row of a square window of `size` that holds a pixel of a class above 0, each such pixel as likely as
    /// the next to be the one; `None` where there is none.
    pub(crate) fn around_foreground(&self, size: usize, rng: &mut ChaCha8Rng) -> Option<(usize, usize)> {
        let set = |row: &[u8]| row.iter().filter(|class| **class > 0).count();
        let rows: Vec<usize> = self.data.chunks_exact(self.width).map(set).collect();
        let mut which = below(rng, rows.iter().sum());
        let y = rows.iter().position(|n| {
            let here = which < *n;
            which -= if here { 0 } else { *n };
            here
        })?;
        let row = &self.data[y * self.width..][..self.width];
        let x = (0..self.width).filter(|x| row[*x] > 0).nth(which)?;
        let mut corner = |at: usize, side: usize| {
            let (least, most) = ((at + 1).saturating_sub(size), at.min(side.saturating_sub(size)));
            least + below(rng, most + 1 - least)
        };
        Some((corner(x, self.width), corner(y, self.height)))
    }

    /// Reads a mask of an unknown coding: its values, or for colours without a palette these, are classes 0, 1 and so on in
    /// rising order.
    ///
    /// # Errors
    /// As [`Picture::read`](super::Picture::read); [`Error::Data`] for one value alone, and for more than 16.
    pub fn ranked(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let RawMask { width, height, pixels } = RawMask::read(path)?;
        let colours: Vec<[u8; 3]> = match pixels {
            Pixels::Colour(colours, palette) if palette.is_empty() => colours,
            other => other.values(path)?.into_iter().map(|v| [v; 3]).collect(),
        };
        let known: BTreeSet<[u8; 3]> = colours.iter().copied().collect();
        if !(2..=MOST_RANKED).contains(&known.len()) {
            let message = format!("holds {} values; a mask has one a class, 2 to {MOST_RANKED}", known.len());
            return Err(Error::data(path, message));
        }
        let ranks: HashMap<[u8; 3], u8> = known.into_iter().zip(0..).collect();
        Ok(Self { width, height, data: colours.iter().map(|colour| ranks[colour]).collect() })
    }

    /// The mask at `width` x `height`, each pixel the nearest of the source (centres aligned).
    ///
    /// # Errors
    /// [`Error::Config`] where a side of either is 0.
    pub fn resize(&self, width: usize, height: usize) -> Result<Self> {
        if [width, height, self.width, self.height].contains(&0)
            || self.data.len() != self.width * self.height
        {
            let (w, h) = (self.width, self.height);
            return Err(Error::Config(format!("cannot resize a {w}x{h} mask to {width}x{height}")));
        }
        let nearest = |i: usize, to: usize, from: usize| (2 * i + 1) * from / (2 * to);
        let columns: Vec<usize> = (0..width).map(|x| nearest(x, width, self.width)).collect();
        let rows = (0..height).map(|y| nearest(y, height, self.height) * self.width);
        let data = rows.flat_map(|row| columns.iter().map(move |x| self.data[row + x])).collect();
        Ok(Self { width, height, data })
    }

    /// Writes a PNG: 0 and 255 for the binary codings, colours for [`MaskCoding::Colours`], class indices as
    /// 8-bit gray otherwise.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written; [`Error::Data`] where a class has no value in the
    /// coding.
    pub fn write_png(&self, path: impl AsRef<Path>, coding: &MaskCoding) -> Result<()> {
        let path = path.as_ref();
        let unfit =
            |class: u8| Error::data(path, format!("class {class} has no value in the mask coding {coding}"));
        let (channels, bytes) = match coding {
            MaskCoding::Auto | MaskCoding::Indices => (1, self.data.clone()),
            MaskCoding::Binary01 | MaskCoding::Binary0_255 | MaskCoding::Nonzero => {
                let white = |&class: &u8| if class < 2 { Ok(class * 255) } else { Err(unfit(class)) };
                (1, self.data.iter().map(white).collect::<Result<Vec<u8>>>()?)
            }
            MaskCoding::Colours(map) => {
                let mut bytes = Vec::with_capacity(self.data.len() * 3);
                for &class in &self.data {
                    let entry = map.iter().find(|(_, index)| *index == class);
                    bytes.extend(entry.ok_or_else(|| unfit(class))?.0);
                }
                (3, bytes)
            }
        };
        write_png(path, self.width, self.height, channels, &bytes)
    }
}

impl Mask {
    /// The picture in colour with the classes' outlines: the pixels whose right or lower neighbour has another class.
    /// Orange, which colour-blind people tell from most of what pictures show.
    pub fn outlined(&self, picture: &Picture) -> Picture {
        let (w, h, channels) = (self.width, self.height, picture.channels);
        let edge = |i: usize| {
            (i % w + 1 < w && self.data[i] != self.data[i + 1])
                || (i / w + 1 < h && self.data[i] != self.data[i + w])
        };
        let colour = |i: usize| match (edge(i), &picture.data[i * channels..(i + 1) * channels]) {
            (true, _) => [0.902, 0.624, 0.0],
            (false, [r, g, b]) => [*r, *g, *b],
            (false, gray) => [gray[0]; 3],
        };
        Picture { width: w, height: h, channels: 3, data: (0..w * h).flat_map(colour).collect() }
    }
}

/// A mask file before its coding is applied.
pub(crate) struct RawMask {
    pub width: usize,
    pub height: usize,
    pub pixels: Pixels,
}

/// What the pixels of a mask file hold.
pub(crate) enum Pixels {
    /// One bit a pixel, 0 or 1: binary under any coding.
    Bilevel(Vec<u8>),
    /// Gray values; low bit depths unscaled.
    Gray(Vec<u8>),
    /// Labels of which some are above 255.
    Labels(Vec<u16>),
    /// Colours, and the palette they came from, if any.
    Colour(Vec<[u8; 3]>, Vec<[u8; 3]>),
}

impl RawMask {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        if let Some(([width, height], labels)) = labels(path)? {
            return Ok(Self { width, height, pixels: Pixels::of_labels(labels) });
        }
        let raster = decode(path, Range::Auto)?;
        let (width, height) = (raster.width, raster.height);
        let colour = |p: &[u16]| p[0] != p[1] || p[1] != p[2];
        // A palette's entries are classes by their number, whatever their colour; only black and white alone
        // say what they mean.
        let indexed = raster.png.as_ref().is_some_and(|png| png.indexed);
        let entry = |p: &[u16]| colour(p) || (indexed && p[0] != 0 && p[0] != raster.max);
        let coloured = raster.channels == 3 && raster.data.chunks_exact(3).any(entry);
        let pixels = if coloured { colours(path, raster)? } else { gray(path, &raster)? };
        Ok(Self { width, height, pixels })
    }
}

impl Pixels {
    fn of_labels(labels: Vec<u16>) -> Self {
        match labels.iter().map(|v| u8::try_from(*v)).collect() {
            Ok(small) => Self::Gray(small),
            Err(_) => Self::Labels(labels),
        }
    }

    /// Whether each pixel is anything but 0, or black.
    fn set(&self) -> Vec<u8> {
        match self {
            Self::Bilevel(values) | Self::Gray(values) => values.iter().map(|v| u8::from(*v != 0)).collect(),
            Self::Labels(values) => values.iter().map(|v| u8::from(*v != 0)).collect(),
            Self::Colour(pixels, _) => pixels.iter().map(|p| u8::from(*p != [0; 3])).collect(),
        }
    }

    /// One value a pixel: gray values, bits, or palette indices.
    pub(crate) fn values(self, path: &Path) -> Result<Vec<u8>> {
        match self {
            Self::Bilevel(values) | Self::Gray(values) => Ok(values),
            Self::Labels(values) => {
                let most = values.iter().max().copied().unwrap_or(0);
                let message =
                    format!("holds the label {most}; classes go up to 255 (mask coding `nonzero` takes all)");
                Err(Error::data(path, message))
            }
            Self::Colour(_, palette) if palette.is_empty() => Err(Error::data(
                path,
                "the mask is in colours; give the colour of each class (mask coding `colours`)",
            )),
            Self::Colour(pixels, palette) => palette_indices(path, &pixels, &palette),
        }
    }

    /// One colour a pixel; gray values are repeated, bits become black and white.
    pub(crate) fn colours(&self) -> Box<dyn Iterator<Item = [u8; 3]> + '_> {
        match self {
            Self::Bilevel(bits) => Box::new(bits.iter().map(|&v| [v * 255; 3])),
            Self::Gray(values) => Box::new(values.iter().map(|&v| [v; 3])),
            // What is beyond 255 has no colour, and black and white stand for others.
            Self::Labels(values) => {
                Box::new(values.iter().map(|&v| u8::try_from(v).map_or([255, 0, 255], |v| [v; 3])))
            }
            Self::Colour(pixels, _) => Box::new(pixels.iter().copied()),
        }
    }
}

fn gray(path: &Path, raster: &Raster) -> Result<Pixels> {
    let plane = || raster.data.iter().step_by(raster.channels).copied();
    if raster.max == u16::MAX {
        return sixteen_bit(path, plane().collect());
    }
    let bytes = plane().map(|v| v as u8);
    Ok(match &raster.png {
        // The decoder stretches low depths to 0..255; class indices need the stored numbers.
        Some(png) if png.depth == 1 && !png.indexed => Pixels::Bilevel(bytes.map(|v| v & 1).collect()),
        Some(png) if png.depth == 2 && !png.indexed => Pixels::Gray(bytes.map(|v| v / 85).collect()),
        Some(png) if png.depth == 4 && !png.indexed => Pixels::Gray(bytes.map(|v| v / 17).collect()),
        _ => Pixels::Gray(bytes.collect()),
    })
}

/// Black and white of 16 bits are 0 and 255; otherwise the values are class indices and must fit 8 bits.
fn sixteen_bit(path: &Path, plane: Vec<u16>) -> Result<Pixels> {
    let white = plane.iter().all(|v| matches!(*v, 0 | u16::MAX));
    if let Some(value) = plane.iter().find(|v| **v > 255 && !white) {
        return Err(Error::data(path, format!("16-bit mask value {value}: class indices go up to 255")));
    }
    Ok(Pixels::Gray(plane.iter().map(|v| (v & 255) as u8).collect()))
}

fn colours(path: &Path, raster: Raster) -> Result<Pixels> {
    let unit = raster.max / 255;
    if raster.data.iter().any(|v| v % unit != 0) {
        return Err(Error::data(
            path,
            "16-bit colours that 8 bits cannot hold; save the mask with 8 bits a channel",
        ));
    }
    let pixels = raster.data.chunks_exact(3).map(|p| [p[0], p[1], p[2]].map(|v| (v / unit) as u8)).collect();
    Ok(Pixels::Colour(pixels, raster.png.filter(|png| png.indexed).map_or_else(Vec::new, |png| png.palette)))
}

/// The decoder expands palettes; this finds the indices again, and refuses where two entries in use look
/// alike.
fn palette_indices(path: &Path, pixels: &[[u8; 3]], palette: &[[u8; 3]]) -> Result<Vec<u8>> {
    let mut index: HashMap<[u8; 3], Option<u8>> = HashMap::new();
    for (i, &colour) in (0u8..=255).zip(palette) {
        index.entry(colour).and_modify(|twice| *twice = None).or_insert(Some(i));
    }
    let ambiguous = |colour: &[u8; 3]| {
        let message =
            format!("palette entries share the colour {colour:?}, so its classes cannot be told apart");
        Error::data(path, format!("{message}; save the mask as 8-bit gray class indices"))
    };
    pixels
        .iter()
        .map(|colour| index.get(colour).copied().flatten().ok_or_else(|| ambiguous(colour)))
        .collect()
}

fn from_values(path: &Path, mut values: Vec<u8>, coding: &MaskCoding) -> Result<Vec<u8>> {
    if *coding == MaskCoding::Indices {
        return Ok(values);
    }
    let white = if *coding == MaskCoding::Binary01 { 1 } else { 255 };
    let mut strangers: Vec<u8> = values.iter().copied().filter(|v| *v != 0 && *v != white).collect();
    if !strangers.is_empty() {
        strangers.sort_unstable();
        strangers.dedup();
        let shown: Vec<String> = strangers.iter().map(u8::to_string).collect();
        return Err(Error::data(
            path,
            format!("mask values {} do not fit the coding {coding}", name_some(&shown)),
        ));
    }
    values.iter_mut().for_each(|v| *v = u8::from(*v != 0));
    Ok(values)
}

fn from_colours(path: &Path, pixels: &Pixels, map: &[([u8; 3], u8)]) -> Result<Vec<u8>> {
    let classes: HashMap<[u8; 3], u8> = map.iter().copied().collect();
    let mut strangers: Vec<String> = Vec::new();
    let mut data = Vec::new();
    for colour in pixels.colours() {
        match classes.get(&colour) {
            Some(&class) => data.push(class),
            None if strangers.len() < NAMED => {
                let name = format!("{colour:?}");
                if !strangers.contains(&name) {
                    strangers.push(name);
                }
            }
            None => break,
        }
    }
    if strangers.is_empty() {
        return Ok(data);
    }
    Err(Error::data(path, format!("mask colours {} have no class in the colour map", name_some(&strangers))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{gray_png, png_bytes, rgb_png};

    fn with_file<T>(bytes: &[u8], check: impl FnOnce(&Path) -> T) -> T {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mask.png");
        std::fs::write(&path, bytes).unwrap();
        check(&path)
    }

    #[test]
    fn one_bit_masks_fit_both_binary_codings() {
        with_file(&png_bytes(3, 1, 1, 0, &[], &[0b1010_0000]), |path| {
            for coding in [MaskCoding::Binary01, MaskCoding::Binary0_255, MaskCoding::Indices] {
                assert_eq!(Mask::read(path, &coding).unwrap().data, vec![1, 0, 1]);
            }
        });
    }

    #[test]
    fn low_depths_keep_their_numbers() {
        with_file(&png_bytes(2, 1, 4, 0, &[], &[0x3F]), |path| {
            assert_eq!(Mask::read(path, &MaskCoding::Indices).unwrap().data, vec![3, 15]);
        });
    }

    #[test]
    fn palette_masks_give_indices_unless_colours_repeat() {
        let palette = [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 0, 0], [7, 7, 7]];
        with_file(&png_bytes(3, 1, 8, 3, &palette, &[2, 0, 2]), |path| {
            assert_eq!(Mask::read(path, &MaskCoding::Indices).unwrap().data, vec![2, 0, 2]);
            let map = MaskCoding::Colours(vec![([0, 0, 0], 0), ([0, 128, 0], 1)]);
            assert_eq!(Mask::read(path, &map).unwrap().data, vec![1, 0, 1]);
        });
        with_file(&png_bytes(3, 1, 8, 3, &palette, &[1, 0, 3]), |path| {
            assert!(Mask::read(path, &MaskCoding::Indices).is_err());
        });
        // Gray entries are entries like others.
        with_file(&png_bytes(3, 1, 8, 3, &palette, &[4, 0, 4]), |path| {
            assert_eq!(Mask::read(path, &MaskCoding::Indices).unwrap().data, vec![4, 0, 4]);
        });
        let white = [[255, 255, 255], [0, 0, 0]];
        with_file(&png_bytes(3, 1, 8, 3, &white, &[0, 1, 0]), |path| {
            assert_eq!(Mask::read(path, &MaskCoding::Binary0_255).unwrap().data, vec![1, 0, 1]);
        });
    }

    #[test]
    fn sixteen_bit_masks_are_black_and_white_or_small() {
        assert!(matches!(sixteen_bit(Path::new("m"), vec![0, 65535]), Ok(Pixels::Gray(v)) if v == [0, 255]));
        assert!(matches!(sixteen_bit(Path::new("m"), vec![0, 7]), Ok(Pixels::Gray(v)) if v == [0, 7]));
        assert!(sixteen_bit(Path::new("m"), vec![0, 300]).is_err());
    }

    #[test]
    fn values_outside_the_coding_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.png");
        gray_png(&path, 3, 1, |x, _| [0, 255, 77][x as usize]);
        let message = Mask::read(&path, &MaskCoding::Binary0_255).unwrap_err().to_string();
        assert!(message.contains("m.png") && message.contains("77"), "{message}");
        assert!(matches!(Mask::read(&path, &MaskCoding::Auto), Err(Error::Config(_))));
    }

    #[test]
    fn colours_need_a_map_and_equal_channels_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.png");
        rgb_png(&path, 2, 1, |x, _| [x as u8; 3]);
        assert_eq!(Mask::read(&path, &MaskCoding::Binary01).unwrap().data, vec![0, 1]);
        rgb_png(&path, 2, 1, |x, _| [255 * x as u8, 0, 0]);
        assert!(Mask::read(&path, &MaskCoding::Indices).unwrap_err().to_string().contains("colours"));
        let map = MaskCoding::Colours(vec![([0, 0, 0], 0)]);
        assert!(Mask::read(&path, &map).unwrap_err().to_string().contains("[255, 0, 0]"));
    }

    #[test]
    fn resize_is_nearest_and_centred() {
        let mask = Mask { width: 4, height: 2, data: vec![0, 1, 2, 3, 4, 5, 6, 7] };
        assert_eq!(mask.resize(2, 1).unwrap().data, vec![5, 7]);
        assert_eq!(mask.resize(8, 2).unwrap().data[..8], [0, 0, 1, 1, 2, 2, 3, 3]);
        assert_eq!(mask.resize(4, 2).unwrap(), mask);
        assert!(mask.resize(0, 2).is_err());
    }

    #[test]
    fn written_masks_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.png");
        let mask = Mask { width: 3, height: 1, data: vec![0, 1, 1] };
        mask.write_png(&path, &MaskCoding::Binary01).unwrap();
        assert_eq!(Mask::read(&path, &MaskCoding::Binary0_255).unwrap(), mask);
        let mask = Mask { width: 3, height: 1, data: vec![0, 2, 1] };
        assert!(mask.write_png(&path, &MaskCoding::Binary0_255).is_err());
        let map = MaskCoding::Colours(vec![([0; 3], 0), ([255, 0, 0], 1), ([255; 3], 2)]);
        for coding in [MaskCoding::Indices, map] {
            mask.write_png(&path, &coding).unwrap();
            assert_eq!(Mask::read(&path, &coding).unwrap(), mask);
        }
    }
}

//! A small sheet of pixels to draw on.

use crate::{Error, Result};

/// Red, green and blue bytes.
pub(super) type Colour = [u8; 3];

/// A digit as three columns and five rows, a number of three bits a row.
const DIGITS: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 7, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 1, 1, 1],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];

/// A picture of bytes, red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes; the colour runs fastest, then x.
    pub data: Vec<u8>,
}

impl Raster {
    /// Of one colour.
    pub(super) fn new(width: usize, height: usize, colour: Colour) -> Self {
        Self { width, height, data: colour.repeat(width * height) }
    }

    /// From grey (1 channel) or colour (3) values `[height, width, channels]`, stretched from the least to the largest; of other
    /// channels the first is shown as grey.
    ///
    /// # Errors
    /// [`Error::Shape`] if the values do not fill the size.
    pub fn stretched(width: usize, height: usize, channels: usize, values: &[f32]) -> Result<Self> {
        if channels == 0 || width * height == 0 || values.len() != width * height * channels {
            let message = format!("{} values are no picture of {height}x{width}x{channels}", values.len());
            return Err(Error::shape("report", message));
        }
        let finite = values.iter().copied().filter(|v| v.is_finite());
        let (low, high) = finite.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let scale = if high > low { 255.0 / (high - low) } else { 0.0 };
        let byte = |v: f32| ((v - low) * scale).round().clamp(0.0, 255.0) as u8;
        let colour = |pixel: &[f32]| match pixel {
            [r, g, b] => [*r, *g, *b].map(byte),
            grey => [byte(grey[0]); 3],
        };
        Ok(Self { width, height, data: values.chunks_exact(channels).flat_map(colour).collect() })
    }

    pub(super) fn at(&self, x: usize, y: usize) -> Colour {
        let at = 3 * (y * self.width + x);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }

    /// What lies outside is left out.
    pub(super) fn fill(&mut self, [x, y]: [usize; 2], [width, height]: [usize; 2], colour: Colour) {
        let (from, to) = (x.min(self.width), (x + width).min(self.width));
        for row in y..(y + height).min(self.height) {
            let line = 3 * (row * self.width + from)..3 * (row * self.width + to);
            self.data[line].chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&colour));
        }
    }

    pub(super) fn paste(&mut self, part: &Self, [left, top]: [usize; 2]) {
        let width = part.width.min(self.width.saturating_sub(left));
        for y in 0..part.height.min(self.height.saturating_sub(top)) {
            let (to, from) = (3 * ((top + y) * self.width + left), 3 * y * part.width);
            self.data[to..to + 3 * width].copy_from_slice(&part.data[from..from + 3 * width]);
        }
    }

    /// A line two pixels wide.
    pub(super) fn line(&mut self, from: [f64; 2], to: [f64; 2], colour: Colour) {
        let longest = (to[0] - from[0]).abs().max((to[1] - from[1]).abs()).ceil().max(1.0);
        for i in 0..=longest as usize {
            let share = i as f64 / longest;
            let place = [0, 1].map(|axis| (from[axis] + share * (to[axis] - from[axis])).round() as usize);
            self.fill(place, [2, 2], colour);
        }
    }

    /// A number, its digits `5 * size` pixels high; the columns that it takes.
    pub(super) fn number(
        &mut self,
        number: usize,
        [left, top]: [usize; 2],
        size: usize,
        colour: Colour,
    ) -> usize {
        let text = number.to_string();
        for (at, digit) in text.bytes().enumerate() {
            let rows = DIGITS[usize::from(digit - b'0') % DIGITS.len()];
            for (y, row) in rows.into_iter().enumerate() {
                for x in (0..3).filter(|x| row >> (2 - x) & 1 == 1) {
                    self.fill([left + (4 * at + x) * size, top + y * size], [size; 2], colour);
                }
            }
        }
        4 * size * text.len()
    }

    /// Each pixel as a square of `up` pixels, of every `down`-th one in either direction.
    pub(super) fn scaled(&self, Scale { up, down }: Scale) -> Self {
        let (width, height) = (self.width.div_ceil(down) * up, self.height.div_ceil(down) * up);
        let from = |i: usize, most: usize| (i / up * down + down / 2).min(most - 1);
        let columns: Vec<usize> = (0..width).map(|x| from(x, self.width)).collect();
        let mut data = Vec::with_capacity(3 * width * height);
        for y in 0..height {
            let y = from(y, self.height);
            data.extend(columns.iter().flat_map(|x| self.at(*x, y)));
        }
        Self { width, height, data }
    }

    /// As PNG.
    pub(super) fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let encode = |bytes: &mut Vec<u8>| -> Result<(), png::EncodingError> {
            let mut encoder = png::Encoder::new(bytes, self.width as u32, self.height as u32);
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.data)?;
            writer.finish()
        };
        encode(&mut bytes).map_err(|e| Error::Check(format!("a picture cannot be encoded: {e}")))?;
        Ok(bytes)
    }
}

/// How a picture is shown larger, or smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale {
    pub up: usize,
    pub down: usize,
}

impl Scale {
    /// So that the longest side takes up to `wanted` pixels if that enlarges it, and never more than `most`.
    pub fn to(longest: usize, wanted: usize, most: usize) -> Self {
        Self { up: (wanted / longest.max(1)).max(1), down: longest.div_ceil(most).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_stretched_and_scaled() {
        let grey = Raster::stretched(2, 1, 1, &[-1.0, 3.0]).unwrap();
        assert_eq!(grey.data, [0, 0, 0, 255, 255, 255]);
        assert_eq!(Raster::stretched(1, 1, 3, &[0.5; 3]).unwrap().data, [0; 3]);
        assert!(Raster::stretched(2, 2, 1, &[0.0; 3]).is_err());
        assert_eq!(Scale::to(64, 320, 640), Scale { up: 5, down: 1 });
        assert_eq!(Scale::to(1500, 320, 640), Scale { up: 1, down: 3 });
        let large = grey.scaled(Scale { up: 3, down: 1 });
        assert_eq!((large.width, large.height, large.at(2, 2), large.at(3, 0)), (6, 3, [0; 3], [255; 3]));
        let small = large.scaled(Scale { up: 1, down: 4 });
        assert_eq!((small.width, small.height, small.at(0, 0), small.at(1, 0)), (2, 1, [0; 3], [255; 3]));
    }

    #[test]
    fn what_lies_outside_is_left_out() {
        let mut sheet = Raster::new(4, 4, [9; 3]);
        sheet.fill([3, 3], [5, 5], [1; 3]);
        sheet.fill([7, 0], [2, 2], [1; 3]);
        sheet.line([-3.0, 2.0], [9.0, 9.0], [2; 3]);
        sheet.paste(&Raster::new(3, 3, [5; 3]), [2, 9]);
        sheet.number(1090, [1, 1], 1, [7; 3]);
        assert_eq!(sheet.data.len(), 48);
    }
}

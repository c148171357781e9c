//! Pictures, masks and where they differ, as inline PNGs.

use std::collections::BTreeSet;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::PictureRow;
use super::html::{BLUE, PURPLE, VERMILION, escape, swatch};
use crate::{Error, Result};

/// Longest side of an inline picture, pixels; larger ones are shrunk by a whole factor.
const MOST_PIXELS: usize = 512;
/// Below this width pixels are shown as squares.
const SMALL: usize = 256;
/// The background in masks: light, to save ink.
const BACKGROUND: [u8; 3] = [240, 240, 240];
/// Where prediction and truth agree on a class.
const HIT: [u8; 3] = [130, 130, 130];
/// Okabe-Ito colours of the classes from 1 on, repeated if there are more. Those that mean something in
/// differences come last.
const CLASSES: [[u8; 3]; 7] =
    [[0, 158, 115], [230, 159, 0], [86, 180, 233], [240, 228, 66], [0, 0, 0], [0, 114, 178], [204, 121, 167]];
/// Classes a legend names before it says no more.
const MOST_NAMED: usize = 12;

/// All rows with a legend, the `first` ones apart from the others; nothing for no rows.
pub(super) fn render(rows: &[PictureRow], first: usize) -> Result<String> {
    if rows.is_empty() {
        return Ok(String::new());
    }
    let (best, worst) = extremes(rows);
    let mut text = legend(rows);
    for (i, row) in rows.iter().enumerate() {
        check(row)?;
        if i > 0 && i == first {
            text += "<h3>The worst of the others</h3>\n";
        }
        let badge = match Some(i) {
            at if at == best => "<span class=\"badge best\">best</span>",
            at if at == worst => "<span class=\"badge worst\">worst</span>",
            _ => "",
        };
        text += &case(row, badge)?;
    }
    Ok(text)
}

/// Which rows have the highest and the lowest Dice; neither if they all have the same.
fn extremes(rows: &[PictureRow]) -> (Option<usize>, Option<usize>) {
    let scored =
        || rows.iter().enumerate().filter_map(|(i, row)| Some((i, row.dice.filter(|d| d.is_finite())?)));
    let worst = scored().min_by(|a, b| a.1.total_cmp(&b.1));
    // Of equal ones the first, as for the worst.
    let best = scored().min_by(|a, b| b.1.total_cmp(&a.1));
    match (best, worst) {
        (Some(best), Some(worst)) if best.1 > worst.1 => (Some(best.0), Some(worst.0)),
        _ => (None, None),
    }
}

fn check(row: &PictureRow) -> Result<()> {
    let PictureRow { id, width, height, channels, .. } = row;
    let pixels = width.checked_mul(*height).filter(|pixels| *pixels > 0);
    let values = pixels.and_then(|pixels| pixels.checked_mul(*channels)).filter(|values| *values > 0);
    let found = [row.picture.len(), row.truth.len(), row.prediction.len()];
    if let (Some(pixels), Some(values)) = (pixels, values)
        && found == [values, pixels, pixels]
    {
        return Ok(());
    }
    let [picture, truth, prediction] = found;
    let message = format!(
        "picture {id:?} of {height}x{width}x{channels} has {picture} values, {truth} pixels of truth \
         and {prediction} of prediction"
    );
    Err(Error::shape("report", message))
}

fn case(row: &PictureRow, badge: &str) -> Result<String> {
    let dice = match row.dice {
        Some(dice) if dice.is_finite() => format!("Dice {dice:.4}"),
        _ => "Dice undefined".to_owned(),
    };
    let factor = row.width.max(row.height).div_ceil(MOST_PIXELS);
    let small = Small { factor, width: (row.width / factor).max(1), height: (row.height / factor).max(1) };
    let (picture, colour) = small.picture(row);
    let (truth, prediction) = (small.classes(row, &row.truth), small.classes(row, &row.prediction));
    let paint = |mask: &[u8]| -> Vec<u8> { mask.iter().flat_map(|class| class_colour(*class)).collect() };
    let difference: Vec<u8> =
        truth.iter().zip(&prediction).flat_map(|(t, p)| difference_colour(*t, *p)).collect();
    let panels = [
        ("picture", picture, colour),
        ("truth", paint(&truth), ExtendedColorType::Rgb8),
        ("prediction", paint(&prediction), ExtendedColorType::Rgb8),
        ("difference", difference, ExtendedColorType::Rgb8),
    ];
    let mut text = format!(
        "<figure class=\"case\">\n<figcaption><strong>{}</strong> <span>{dice}</span> {badge}</figcaption>\n\
         <div class=\"panels\">\n",
        escape(&row.id)
    );
    for (name, bytes, colour) in panels {
        text +=
            &format!("<div>{name}{}</div>\n", small.image(&format!("{name} of {}", row.id), &bytes, colour)?);
    }
    Ok(text + "</div>\n</figure>\n")
}

/// A picture shrunk by a whole factor, to one pixel at least; what is left over at the right and bottom edge
/// is cut off.
struct Small {
    factor: usize,
    width: usize,
    height: usize,
}

impl Small {
    /// The picture as bytes, grey or colour: each pixel the mean of the pixels it stands for.
    fn picture(&self, row: &PictureRow) -> (Vec<u8>, ExtendedColorType) {
        let (low, high) = range(&row.picture);
        let shown = if row.channels == 3 { 3 } else { 1 };
        let mut bytes = Vec::with_capacity(self.width * self.height * shown);
        for i in 0..self.width * self.height * shown {
            let (pixel, channel) = (i / shown, i % shown);
            let (y, x) = (pixel / self.width * self.factor, pixel % self.width * self.factor);
            let (bottom, right) = ((y + self.factor).min(row.height), (x + self.factor).min(row.width));
            let mut sum = 0.0;
            for source in (y..bottom).flat_map(|y| (x..right).map(move |x| y * row.width + x)) {
                let value = row.picture[source * row.channels + channel];
                sum += if value.is_finite() { (value - low) / (high - low) } else { 0.0 };
            }
            bytes.push((sum / ((bottom - y) * (right - x)) as f32 * 255.0).round().clamp(0.0, 255.0) as u8);
        }
        (bytes, if shown == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 })
    }

    /// A mask: each pixel the class in the middle of those it stands for.
    fn classes(&self, row: &PictureRow, mask: &[u8]) -> Vec<u8> {
        let middle = self.factor / 2;
        let at = |i: usize| {
            let (y, x) = (i / self.width * self.factor + middle, i % self.width * self.factor + middle);
            mask[y.min(row.height - 1) * row.width + x.min(row.width - 1)]
        };
        (0..self.width * self.height).map(at).collect()
    }

    fn image(&self, words: &str, bytes: &[u8], colour: ExtendedColorType) -> Result<String> {
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(bytes, self.width as u32, self.height as u32, colour)
            .map_err(|e| Error::Check(format!("{words} cannot be encoded: {e}")))?;
        let (class, alt) = (if self.width < SMALL { " class=\"small\"" } else { "" }, escape(words));
        Ok(format!("<img{class} alt=\"{alt}\" src=\"data:image/png;base64,{}\">", base64(&png)))
    }
}

/// 0 to 1, or the range of the finite values if any lies outside; never empty.
fn range(values: &[f32]) -> (f32, f32) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
    let outside = low < 0.0 || high > 1.0;
    if outside && high > low && (high - low).is_finite() { (low, high) } else { (0.0, 1.0) }
}

fn class_colour(class: u8) -> [u8; 3] {
    if class == 0 { BACKGROUND } else { CLASSES[(usize::from(class) - 1) % CLASSES.len()] }
}

fn difference_colour(truth: u8, prediction: u8) -> [u8; 3] {
    match (truth, prediction) {
        (0, 0) => BACKGROUND,
        (t, p) if t == p => HIT,
        (0, _) => VERMILION,
        (_, 0) => BLUE,
        _ => PURPLE,
    }
}

fn legend(rows: &[PictureRow]) -> String {
    let classes: BTreeSet<u8> = rows
        .iter()
        .flat_map(|row| row.truth.iter().chain(&row.prediction))
        .copied()
        .filter(|c| *c > 0)
        .collect();
    let mut text = String::from("<p>Masks: ");
    text += &swatch(BACKGROUND, "background");
    for class in classes.iter().take(MOST_NAMED) {
        text += &swatch(class_colour(*class), &format!("class {class}"));
    }
    if classes.len() > MOST_NAMED {
        text +=
            &format!("<span class=\"note\">and {} more, colours repeat</span>", classes.len() - MOST_NAMED);
    }
    text += "<br>\nDifference: ";
    text += &swatch(HIT, "right");
    text += &swatch(BLUE, "missed");
    text += &swatch(VERMILION, "false alarm");
    if classes.len() > 1 {
        text += &swatch(PURPLE, "another class");
    }
    text + "</p>\n"
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(width: usize, height: usize, channels: usize) -> PictureRow {
        PictureRow {
            id: "x".into(),
            width,
            height,
            channels,
            picture: vec![0.5; width * height * channels],
            truth: vec![0; width * height],
            prediction: vec![1; width * height],
            dice: Some(0.0),
        }
    }

    #[test]
    fn base64_as_in_rfc_4648() {
        let words = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let codes = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        assert_eq!(words.map(|word| base64(word.as_bytes())), codes);
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn pictures_are_shrunk_stretched_and_turned_into_bytes() {
        let mut colour = row(2, 1, 3);
        colour.picture = vec![0.0, 0.5, 1.0, f32::NAN, 1.0, 0.25];
        let whole = Small { factor: 1, width: 2, height: 1 };
        assert_eq!(whole.picture(&colour), (vec![0, 128, 255, 0, 255, 64], ExtendedColorType::Rgb8));
        let mut scores = row(4, 2, 2);
        scores.picture = (0..16).map(|i| if i % 2 == 0 { i as f32 - 7.0 } else { 7.0 }).collect();
        scores.truth = vec![0, 0, 0, 0, 0, 1, 0, 2];
        let half = Small { factor: 2, width: 2, height: 1 };
        // First channel: -7 -5 -3 -1 / 1 3 5 7; means -2 and 2 of a range of -7 to 7.
        assert_eq!(half.picture(&scores), (vec![91, 164], ExtendedColorType::L8));
        assert_eq!(half.classes(&scores, &scores.truth), [1, 2]);
    }

    #[test]
    fn odd_sizes_make_valid_pictures() {
        for (width, height, channels) in [(1, 1, 1), (1, 1300, 3), (1025, 3, 4), (513, 700, 1)] {
            let text = render(&[row(width, height, channels)], 0).unwrap();
            assert_eq!(text.matches("base64,iVBOR").count(), 4, "{width}x{height}x{channels}");
        }
    }

    #[test]
    fn the_first_of_equal_extremes_is_marked() {
        let with = |dice: &[Option<f64>]| {
            let rows: Vec<PictureRow> =
                dice.iter().map(|dice| PictureRow { dice: *dice, ..row(1, 1, 1) }).collect();
            extremes(&rows)
        };
        assert_eq!(with(&[Some(0.5), None, Some(0.9), Some(0.9), Some(0.1), Some(0.1)]), (Some(2), Some(4)));
        assert_eq!(with(&[Some(0.5), Some(0.5)]), (None, None));
        assert_eq!(with(&[None, Some(f64::NAN)]), (None, None));
    }

    #[test]
    fn differences_have_their_colours() {
        assert_eq!(difference_colour(0, 0), BACKGROUND);
        assert_eq!(difference_colour(2, 2), HIT);
        assert_eq!(difference_colour(0, 1), VERMILION);
        assert_eq!(difference_colour(1, 0), BLUE);
        assert_eq!(difference_colour(1, 2), PURPLE);
        assert_eq!(class_colour(8), class_colour(1));
    }
}

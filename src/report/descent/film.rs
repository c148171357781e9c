//! The belief map on its way down, as an animated PNG.

use super::{
    Raster, label_colour,
    raster::{Colour, Scale},
};
use crate::{Error, Result, report::palette::BLUE};

/// Side of a panel up to which small pictures are enlarged, and at which large ones are shrunk, pixels.
const PANEL: [usize; 2] = [320, 640];
/// White between panels, pixels.
const GAP: usize = 8;
/// Height of the energy curve, pixels.
const CURVE: usize = 96;
/// Least width of the energy curve with the number of the step, pixels.
const CURVE_WIDTH: usize = 300;
/// Columns for the number of the step.
const NUMBER: usize = 96;
/// Of digits, pixels a dot.
const DIGIT: usize = 4;
/// About how long a film takes, and how long a frame does at least and at most, milliseconds.
const TIMES: [usize; 3] = [6000, 40, 400];
/// How long the first and the last frame stay, milliseconds.
const STAY: u16 = 1000;
/// How bright a label's colour is where the belief in it is as weak as can be.
const LEAST: f32 = 0.2;
/// Steps of brightness: finer ones are hardly seen, and noise in them makes films thrice as large.
const LEVELS: f32 = 24.0;
/// Share of all strengths that the scale of brightness spans.
const SPAN: f64 = 0.99;
/// Bytes of all frames beyond which a film is refused.
const MOST_BYTES: usize = 2 << 30;

/// What is kept of the beliefs after a step.
struct Frame {
    step: usize,
    labels: Vec<u8>,
    /// How far the winning label's probability lies between chance, 0, and certainty, 1.
    strengths: Vec<f32>,
}

/// Frames of a descent, the first and the last state among them.
pub struct Film {
    size: [usize; 2],
    labels: usize,
    every: usize,
    frames: Vec<Frame>,
}

impl Film {
    /// Of a map of `size` (height, width) with `labels` beliefs a pixel (1: the logit of label 1), a frame every so many steps.
    pub fn new(size: [usize; 2], labels: usize, every: usize) -> Self {
        Self { size, labels, every: every.max(1), frames: Vec::new() }
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Takes the beliefs `[height, width, labels]` after a step; steps come in turn, from 0.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are of another size, [`Error::Config`] if the film grows too large.
    pub fn see(&mut self, step: usize, beliefs: &[f32]) -> Result<()> {
        let pixels = self.size[0] * self.size[1];
        if self.labels == 0 || pixels == 0 || beliefs.len() != pixels * self.labels {
            let message =
                format!("{} beliefs are none of {:?} with {} labels", beliefs.len(), self.size, self.labels);
            return Err(Error::shape("film", message));
        }
        // The last state so far is kept, wherever it lies.
        if self.frames.last().is_some_and(|frame| frame.step % self.every != 0) {
            self.frames.pop();
        }
        if (self.frames.len() + 1) * pixels * 5 > MOST_BYTES {
            let frames = self.frames.len();
            return Err(Error::Config(format!("{frames} frames fill the memory; give a larger --every")));
        }
        let (labels, strengths) = beliefs.chunks_exact(self.labels).map(winner).unzip();
        self.frames.push(Frame { step, labels, strengths });
        Ok(())
    }

    /// The film as animated PNG. Side by side the picture; the labels, brighter the stronger the belief; and the strength of
    /// belief alone, from black for chance to white for the strongest of the film. Below the colours of the labels, the number of
    /// the step, and the curve of the energy, which has a value for each step from 0.
    ///
    /// # Errors
    /// [`Error::Shape`] if the picture is of another size, [`Error::Check`] if there is no frame.
    pub fn apng(&self, picture: &Raster, energy: &[f32]) -> Result<Vec<u8>> {
        if [picture.height, picture.width] != self.size {
            let (h, w) = (picture.height, picture.width);
            return Err(Error::shape("film", format!("a picture of {h}x{w} for beliefs of {:?}", self.size)));
        }
        let stage = Stage::new(self, picture, energy);
        let sheets = self.frames.iter().map(|frame| stage.draw(frame));
        encode(sheets, self.frames.len())
            .map_err(|e| Error::Check(format!("the film cannot be encoded: {e}")))
    }

    /// The strength that is drawn brightest: some few pixels are let go beyond it.
    fn strongest(&self) -> f32 {
        let mut bins = [0usize; 1000];
        let all = self.frames.iter().flat_map(|frame| &frame.strengths);
        all.for_each(|s| bins[((s * 1000.0) as usize).min(999)] += 1);
        let whole = bins.iter().sum::<usize>() as f64;
        let mut seen = 0;
        let bin = bins.iter().position(|count| {
            seen += count;
            seen as f64 >= SPAN * whole
        });
        (bin.unwrap_or(999) + 1) as f32 / 1000.0
    }
}

/// The label with the largest belief and its strength.
fn winner(beliefs: &[f32]) -> (u8, f32) {
    if let [logit] = beliefs {
        return (u8::from(*logit > 0.0), (0.5 * logit.abs()).tanh());
    }
    let best = beliefs.iter().enumerate().fold(0, |best, (i, v)| if *v > beliefs[best] { i } else { best });
    let whole: f32 = beliefs.iter().map(|v| (v - beliefs[best]).exp()).sum();
    let chance = 1.0 / beliefs.len() as f32;
    (best as u8, ((1.0 / whole - chance) / (1.0 - chance)).clamp(0.0, 1.0))
}

/// What all frames have in common.
struct Stage<'a> {
    size: [usize; 2],
    scale: Scale,
    /// With the picture and the colours of labels, which stay; frames differ to the right of them alone.
    empty: Raster,
    /// Height and width of a panel.
    panel: [usize; 2],
    strongest: f32,
    energy: &'a [f32],
}

impl<'a> Stage<'a> {
    fn new(film: &Film, picture: &Raster, energy: &'a [f32]) -> Self {
        let scale = Scale::to(film.size[0].max(film.size[1]), PANEL[0], PANEL[1]);
        let picture = picture.scaled(scale);
        let panel = [picture.height, picture.width];
        let right = (2 * panel[1] + GAP).max(CURVE_WIDTH);
        let mut empty = Raster::new(panel[1] + GAP + right, panel[0] + GAP + CURVE, [255; 3]);
        empty.paste(&picture, [0, 0]);
        let mut place = [0, panel[0] + GAP];
        for label in 0..film.labels.clamp(2, 255) {
            let wide = 5 * DIGIT + 4 * DIGIT * label.to_string().len() + GAP;
            if place[0] + wide > panel[1] {
                place = [0, place[1] + 7 * DIGIT];
            }
            empty.fill(place, [4 * DIGIT, 5 * DIGIT], label_colour(label as u8));
            empty.number(label, [place[0] + 5 * DIGIT, place[1]], DIGIT, [50; 3]);
            place[0] += wide;
        }
        Self { size: film.size, scale, empty, panel, strongest: film.strongest(), energy }
    }

    fn draw(&self, frame: &Frame) -> Raster {
        let mut sheet = self.empty.clone();
        let level = |s: f32| (LEVELS * (s / self.strongest).min(1.0)).round() / LEVELS;
        let seen = || frame.labels.iter().zip(&frame.strengths).map(|(label, s)| (*label, level(*s)));
        let labels = seen().flat_map(|(label, strength)| {
            label_colour(label).map(|v| (f32::from(v) * (LEAST + (1.0 - LEAST) * strength)).round() as u8)
        });
        let beliefs = seen().flat_map(|(_, strength)| [(255.0 * strength).round() as u8; 3]);
        let [height, width] = self.size;
        let left = self.panel[1] + GAP;
        let panel = |data: Vec<u8>| Raster { width, height, data }.scaled(self.scale);
        sheet.paste(&panel(labels.collect()), [left, 0]);
        sheet.paste(&panel(beliefs.collect()), [left + self.panel[1] + GAP, 0]);
        let top = self.panel[0] + GAP;
        sheet.number(frame.step, [left, top + CURVE / 2 - 2 * DIGIT], DIGIT, [50; 3]);
        self.curve(&mut sheet, frame.step, [left + NUMBER, top]);
        sheet
    }

    /// The energy until `step` in blue, and what is to come in grey.
    fn curve(&self, sheet: &mut Raster, step: usize, [left, top]: [usize; 2]) {
        let (wide, high) = ((sheet.width - left - 6) as f64, (CURVE - 10) as f64);
        let finite = self.energy.iter().copied().filter(|v| v.is_finite()).map(f64::from);
        let (low, most) = finite.fold((f64::MAX, f64::MIN), |(low, most), v| (low.min(v), most.max(v)));
        let last = self.energy.len().saturating_sub(1).max(1) as f64;
        let place = |(at, v): (usize, &f32)| {
            let share = if most > low { (f64::from(*v) - low) / (most - low) } else { 0.5 };
            [left as f64 + at as f64 / last * wide, top as f64 + 4.0 + (1.0 - share) * high]
        };
        let points: Vec<[f64; 2]> = self.energy.iter().enumerate().map(place).collect();
        for (at, pair) in points.windows(2).enumerate().rev() {
            let colour: Colour = if at < step { BLUE } else { [205; 3] };
            sheet.line(pair[0], pair[1], colour);
        }
        if let Some(point) = points.get(step) {
            sheet.fill(point.map(|v| (v.round() as usize).saturating_sub(2)), [7, 7], BLUE);
        }
    }
}

/// Corner and size of the least rectangle that holds all differences, one pixel at least.
fn changed(before: &Raster, after: &Raster) -> ([usize; 2], [usize; 2]) {
    let (mut low, mut high) = ([usize::MAX; 2], [0; 2]);
    let row = 3 * after.width;
    for (y, (a, b)) in before.data.chunks_exact(row).zip(after.data.chunks_exact(row)).enumerate() {
        let differs = |i: &usize| a[3 * i..3 * i + 3] != b[3 * i..3 * i + 3];
        let Some(first) = (0..after.width).find(differs) else { continue };
        let last = (0..after.width).rfind(differs).unwrap_or(first);
        low = [low[0].min(first), low[1].min(y)];
        high = [high[0].max(last + 1), y + 1];
    }
    if high[0] == 0 { ([0; 2], [1; 2]) } else { (low, [high[0] - low[0], high[1] - low[1]]) }
}

fn encode(mut sheets: impl Iterator<Item = Raster>, frames: usize) -> Result<Vec<u8>, png::EncodingError> {
    let Some(mut before) = sheets.next() else { return Err(std::io::Error::other("it has no frame").into()) };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, before.width as u32, before.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    // Few colours in patches compress better as they are than as differences.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_animated(frames as u32, 0)?;
    encoder.set_frame_delay(STAY, 1000)?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&before.data)?;
    let pace = (TIMES[0] / frames).clamp(TIMES[1], TIMES[2]) as u16;
    for (at, sheet) in sheets.enumerate() {
        let ([x, y], [width, height]) = changed(&before, &sheet);
        let line = |row: usize| 3 * (row * sheet.width + x)..3 * (row * sheet.width + x + width);
        let part: Vec<u8> = (y..y + height).flat_map(|row| &sheet.data[line(row)]).copied().collect();
        writer.reset_frame_position()?;
        writer.set_frame_dimension(width as u32, height as u32)?;
        writer.set_frame_position(x as u32, y as u32)?;
        writer.set_frame_delay(if at + 2 == frames { STAY } else { pace }, 1000)?;
        writer.write_image_data(&part)?;
        before = sheet;
    }
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::AnimationDecoder;

    #[test]
    fn the_strongest_belief_wins() {
        assert_eq!(winner(&[-2.0]).0, 0);
        assert_eq!(winner(&[0.0]), (0, 0.0));
        let (label, strength) = winner(&[0.0, 3.0f32.ln(), 0.0]);
        assert!(label == 1 && (strength - 0.4).abs() < 1e-6, "{strength}");
        // A logit is the same as two beliefs that are as far apart.
        assert!((winner(&[1.5]).1 - winner(&[0.0, 1.5]).1).abs() < 1e-6);
        assert_eq!(winner(&[1e29, -1e29]), (0, 1.0));
    }

    #[test]
    fn the_last_state_is_kept_and_all_frames_decode() {
        for (size, labels) in [([3, 5], 2), ([1, 1], 1), ([2, 700], 12)] {
            let mut film = Film::new(size, labels, 3);
            let energy: Vec<f32> = (0..8).map(|step| 1.0 / (1.0 + step as f32)).collect();
            for step in 0..8 {
                let beliefs: Vec<f32> =
                    (0..size[0] * size[1] * labels).map(|i| (i * step % 7) as f32).collect();
                film.see(step, &beliefs).unwrap();
            }
            assert_eq!(film.frames.iter().map(|f| f.step).collect::<Vec<_>>(), [0, 3, 6, 7]);
            let picture = Raster::new(size[1], size[0], [9; 3]);
            let bytes = film.apng(&picture, &energy).unwrap();
            let decoder = image::codecs::png::PngDecoder::new(std::io::Cursor::new(bytes)).unwrap();
            let frames = decoder.apng().unwrap().into_frames().collect_frames().unwrap();
            assert_eq!(frames.len(), 4);
            let stage = Stage::new(&film, &picture, &energy);
            for (frame, seen) in film.frames.iter().zip(frames) {
                let drawn = image::DynamicImage::ImageRgba8(seen.into_buffer()).into_rgb8();
                assert_eq!(drawn.into_raw(), stage.draw(frame).data);
            }
        }
        let mut film = Film::new([2, 2], 2, 1);
        assert!(film.see(0, &[0.0; 7]).is_err() && film.apng(&Raster::new(2, 2, [0; 3]), &[]).is_err());
    }
}

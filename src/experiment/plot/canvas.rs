//! A sheet to draw on, in pixels from the upper left, that becomes an SVG.

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Red, green and blue.
pub type Colour = [u8; 3];

/// Of letters and frames.
pub const INK: Colour = [50, 50, 50];
/// Of lines that only guide the eye.
pub const FAINT: Colour = [222, 222, 222];
/// Pixels between lines of text.
pub const LINE: i32 = 20;
/// Size of letters, in the units of the backend, of which a pixel has more.
const LETTER: u32 = 17;
/// About how wide a letter is, pixels.
const LETTER_WIDTH: f64 = 7.8;

/// What a drawing comes to, or what the backend says of it.
pub type Drawn<T = ()> = Result<T, String>;

/// Where a text lies to its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// To its right.
    Left,
    /// Around it.
    Middle,
    /// To its left.
    Right,
}

/// The sheet.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws a sheet of `width` and `height` pixels.
pub fn svg(width: i32, height: i32, draw: impl FnOnce(&Canvas<'_>) -> Drawn) -> Drawn<String> {
    let mut text = String::new();
    {
        let size = (width.max(1) as u32, height.max(1) as u32);
        let canvas = Canvas { area: SVGBackend::with_string(&mut text, size).into_drawing_area() };
        canvas.area.fill(&WHITE).map_err(|e| e.to_string())?;
        draw(&canvas)?;
        canvas.area.present().map_err(|e| e.to_string())?;
    }
    Ok(text)
}

fn rgb([r, g, b]: Colour) -> RGBColor {
    RGBColor(r, g, b)
}

impl Canvas<'_> {
    /// A filled rectangle.
    pub fn fill(&self, corners: [(i32, i32); 2], colour: Colour, opacity: f64) -> Drawn {
        let style = rgb(colour).mix(opacity).filled();
        self.area.draw(&Rectangle::new(corners, style)).map_err(|e| e.to_string())
    }

    /// The rim of a rectangle.
    pub fn frame(&self, corners: [(i32, i32); 2], colour: Colour) -> Drawn {
        self.area.draw(&Rectangle::new(corners, rgb(colour).stroke_width(1))).map_err(|e| e.to_string())
    }

    /// A line through points.
    pub fn line(&self, points: &[(i32, i32)], colour: Colour, width: u32) -> Drawn {
        let path = PathElement::new(points.to_vec(), rgb(colour).stroke_width(width));
        self.area.draw(&path).map_err(|e| e.to_string())
    }

    /// A filled outline.
    pub fn outline(&self, points: &[(i32, i32)], colour: Colour, opacity: f64) -> Drawn {
        let shape = Polygon::new(points.to_vec(), rgb(colour).mix(opacity).filled());
        self.area.draw(&shape).map_err(|e| e.to_string())
    }

    /// The mark of the `index`-th series: grey prints tell series apart by it.
    pub fn mark(&self, (x, y): (i32, i32), index: usize, colour: Colour) -> Drawn {
        match index % 4 {
            0 => {
                let dot = Circle::new((x, y), 4, rgb(colour).filled());
                self.area.draw(&dot).map_err(|e| e.to_string())
            }
            1 => self.fill([(x - 4, y - 4), (x + 4, y + 4)], colour, 1.0),
            2 => self.outline(&[(x, y - 5), (x + 5, y + 4), (x - 5, y + 4)], colour, 1.0),
            _ => self.outline(&[(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], colour, 1.0),
        }
    }

    /// A text, its middle at the height of its place.
    pub fn text(&self, text: &str, place: (i32, i32), anchor: Anchor, colour: Colour) -> Drawn {
        self.letters(text, place, anchor, colour, LETTER, FontTransform::None)
    }

    /// A smaller text.
    pub fn note(&self, text: &str, place: (i32, i32), anchor: Anchor, colour: Colour) -> Drawn {
        self.letters(text, place, anchor, colour, LETTER - 3, FontTransform::None)
    }

    /// A text that is read from below, around its place.
    pub fn upright(&self, text: &str, place: (i32, i32), anchor: Anchor) -> Drawn {
        self.letters(text, place, anchor, INK, LETTER - 2, FontTransform::Rotate270)
    }

    fn letters(
        &self,
        text: &str,
        place: (i32, i32),
        anchor: Anchor,
        colour: Colour,
        size: u32,
        turned: FontTransform,
    ) -> Drawn {
        let across = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let colour = rgb(colour);
        let font = ("sans-serif", size).into_font().transform(turned);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(across, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), place, style)).map_err(|e| e.to_string())
    }
}

/// About how wide a text is, pixels.
pub fn width_of(text: &str) -> i32 {
    (text.chars().count() as f64 * LETTER_WIDTH).ceil() as i32
}

/// White or black, whichever can be read on a colour.
pub fn readable_on([r, g, b]: Colour) -> Colour {
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 130.0 { [0; 3] } else { [255; 3] }
}

//! Polygons and circles, white on black, one a picture: a data set that needs no files (Algorithm 1 of
//! arXiv 2412.15734).

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;

use super::mask::Mask;
use super::picture::{Picture, check_channels};
use super::random::{Purpose, below, between, keyed, normal};
use super::sample::{Dataset, Sample};
use super::series::{Place, Series};
use crate::{Error, Result};

/// Pixels a side that the paper's lengths are given for.
const BASE: f32 = 512.0;

/// Which polygons to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct PolygonsOptions {
    /// Pixels a side, 16 to [`PolygonsOptions::MOST_PIXELS`].
    pub size: usize,
    /// Corners of the polygons of class 1, 2, and so on: each 3 to [`PolygonsOptions::MOST_CORNERS`], or 0 for a
    /// circle, and none twice.
    pub sides: Vec<usize>,
    /// Deviation of each corner's distance from the centre, pixels of a picture of 512; 0 to
    /// [`PolygonsOptions::MOST_IRREGULAR`].
    pub irregular: f32,
    /// 1, or 3 equal ones.
    pub channels: usize,
    /// Number of samples; those of `val` and `test` come behind them.
    pub count: usize,
    /// Samples of a second series, for validation.
    pub val: usize,
    /// Samples of a third series, for the test.
    pub test: usize,
    /// A sample depends on this, size, sides and irregularity, its series and its place there alone.
    pub seed: u64,
}

impl PolygonsOptions {
    /// Pixels a side at most. With [`Self::MOST_IRREGULAR`] it keeps all corners within 8192 of the origin, so that
    /// 32 bits hold what a kernel computes of them.
    pub const MOST_PIXELS: usize = 4096;
    /// Corners of a polygon at most.
    pub const MOST_CORNERS: usize = 64;
    /// Pixels of a picture of 512 that corners deviate by at most.
    pub const MOST_IRREGULAR: f32 = 64.0;

    /// Three to fifteen corners, and the circle.
    pub fn usual_sides() -> Vec<usize> {
        (3..=15).chain([0]).collect()
    }

    /// # Errors
    /// [`Error::Config`] where an option is outside what its description says.
    pub fn check(&self) -> Result<()> {
        check_channels(self.channels)?;
        let Self { size, sides, irregular, count, .. } = self;
        let refuse = |message: String| Err(Error::Config(format!("polygons: {message}")));
        if !(16..=Self::MOST_PIXELS).contains(size) || *count == 0 {
            return refuse(format!("size {size} (16 to {}), count {count} (above 0)", Self::MOST_PIXELS));
        }
        let fits = |k: &usize| *k == 0 || (3..=Self::MOST_CORNERS).contains(k);
        let twice = (1..sides.len()).any(|i| sides[..i].contains(&sides[i]));
        if sides.is_empty() || sides.len() > 255 || twice || !sides.iter().all(fits) {
            let most = Self::MOST_CORNERS;
            return refuse(format!(
                "sides {sides:?}: each is 3 to {most}, or 0 for the circle, and none comes twice"
            ));
        }
        if !(0.0..=Self::MOST_IRREGULAR).contains(irregular) {
            return refuse(format!("irregular {irregular}: it is 0 to {}", Self::MOST_IRREGULAR));
        }
        Ok(())
    }
}

impl Default for PolygonsOptions {
    fn default() -> Self {
        let (sides, irregular) = (Self::usual_sides(), 5.0);
        Self { size: 512, sides, irregular, channels: 1, count: 200, val: 0, test: 0, seed: 0 }
    }
}

/// What is drawn in one picture. All numbers are whole, in pixels from the left upper corner of the picture, x to the
/// right and y down; the middle of pixel (x, y) lies at (x + 1/2, y + 1/2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// From 1.
    pub class: u8,
    /// What is filled.
    pub outline: Outline,
}

/// The border of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outline {
    /// Middle and radius. What lies on the border is inside.
    Circle([i32; 2], i32),
    /// The corners in order. A point is inside where a line from it to the right meets the border an odd number of
    /// times; what lies on the border belongs to what is on its right.
    Polygon(Vec<[i32; 2]>),
}

impl Outline {
    /// Whether the middle of pixel (x, y) is inside: exact, and so the same on every machine. Middles lie half way
    /// between whole numbers, so no corner is level with one.
    pub fn covers(&self, x: i32, y: i32) -> bool {
        // Everything is doubled, which makes middles whole.
        let [px, py] = [x, y].map(|v| 2 * i64::from(v) + 1);
        let from = |corner: &[i32; 2]| [px - 2 * i64::from(corner[0]), py - 2 * i64::from(corner[1])];
        match self {
            Self::Circle(centre, radius) => {
                let [dx, dy] = from(centre);
                dx * dx + dy * dy <= (2 * i64::from(*radius)).pow(2)
            }
            Self::Polygon(corners) => {
                let next = corners.iter().cycle().skip(1);
                let met = |(a, b): &(&[i32; 2], &[i32; 2])| {
                    let ([ax, ay], [bx, by]) = (from(a), from(b));
                    let side = ax * (ay - by) - ay * (ax - bx);
                    // The ends lie on both sides of the line, and it meets the edge to the right.
                    (ay < 0) != (by < 0) && if ay > by { side < 0 } else { side > 0 }
                };
                corners.iter().zip(next).filter(met).count() % 2 == 1
            }
        }
    }
}

impl Figure {
    /// Figure and class of one picture, as Algorithm 1 draws them.
    fn random(rng: &mut ChaCha8Rng, options: &PolygonsOptions) -> Self {
        let side = options.size as f32;
        let class = below(rng, options.sides.len());
        let centre = [between(rng, 0.0, side), between(rng, 0.0, side)];
        let outline = match options.sides[class] {
            0 => {
                let radius = between(rng, side / 50.0, side / 4.0) as i32;
                Outline::Circle(centre.map(|v| v as i32), radius.max(1))
            }
            corners => {
                let base = between(rng, side / 10.0, side / 4.0);
                let spread = options.irregular * side / BASE;
                let corner = |i: usize| {
                    let radius = (base + spread * normal(rng)).abs();
                    let (sin, cos) = (TAU * i as f32 / corners as f32).sin_cos();
                    // Cut off towards zero, as the paper's authors do.
                    [(centre[0] + radius * sin) as i32, (centre[1] + radius * cos) as i32]
                };
                Outline::Polygon((0..corners).map(corner).collect())
            }
        };
        Self { class: class as u8 + 1, outline }
    }

    /// The figure in numbers, `rows` pairs: corners (0 for a circle) and class; then the corners, or middle and
    /// (radius, 0); then zeros. This is how the operator [`crate::ops::Polygon`] takes it.
    ///
    /// # Errors
    /// [`Error::Config`] where it takes more rows.
    pub fn table(&self, rows: usize) -> Result<Vec<f32>> {
        let class = i32::from(self.class);
        let mut pairs = match &self.outline {
            Outline::Circle(centre, radius) => vec![[0, class], *centre, [*radius, 0]],
            Outline::Polygon(corners) => {
                let mut pairs = vec![[corners.len() as i32, class]];
                pairs.extend(corners);
                pairs
            }
        };
        if pairs.len() > rows {
            return Err(Error::Config(format!("a figure of {} rows in a table of {rows}", pairs.len())));
        }
        pairs.resize(rows, [0; 2]);
        Ok(pairs.into_iter().flatten().map(|v| v as f32).collect())
    }

    fn draw(&self, size: usize, channels: usize) -> (Picture, Mask) {
        let all = (0..size * size).map(|i| (i % size, i / size));
        let data: Vec<u8> =
            all.map(|(x, y)| self.class * u8::from(self.outline.covers(x as i32, y as i32))).collect();
        let white = |class: &u8| std::iter::repeat_n(f32::from(u8::from(*class > 0)), channels);
        let picture =
            Picture { width: size, height: size, channels, data: data.iter().flat_map(white).collect() };
        (picture, Mask { width: size, height: size, data })
    }
}

/// A seeded data set of one irregular polygon or circle a picture, of 1 on 0, at any place of the frame, which may cut
/// it. Its class says how many corners it has.
#[derive(Debug, Clone)]
pub struct PolygonsDataset {
    options: PolygonsOptions,
    series: Series,
}

impl PolygonsDataset {
    /// # Errors
    /// As [`PolygonsOptions::check`].
    pub fn new(options: PolygonsOptions) -> Result<Self> {
        options.check()?;
        let series = Series::new("polygon", [options.count, options.val, options.test]);
        Ok(Self { options, series })
    }

    /// What it was made with.
    pub fn options(&self) -> &PolygonsOptions {
        &self.options
    }

    /// What picture `i` shows.
    ///
    /// # Errors
    /// [`Error::Config`] where there is no picture `i`.
    pub fn figure(&self, i: usize) -> Result<Figure> {
        let Place { series, number, .. } = self.series.place(i)?;
        let mut rng = keyed(Purpose::Polygons, self.options.seed, number, series);
        Ok(Figure::random(&mut rng, &self.options))
    }

    /// Rows of a table that holds any figure of this set, for [`Figure::table`].
    pub fn table_rows(&self) -> usize {
        1 + self.options.sides.iter().copied().max().unwrap_or(0).max(2)
    }
}

impl Dataset for PolygonsDataset {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn id(&self, i: usize) -> &str {
        self.series.id(i)
    }

    fn size(&self, _: usize) -> (usize, usize) {
        (self.options.size, self.options.size)
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let (picture, mask) = self.figure(i)?.draw(self.options.size, self.options.channels);
        Ok(Sample { id: self.id(i).to_owned(), picture, mask })
    }

    fn channels(&self) -> usize {
        self.options.channels
    }

    fn classes(&self) -> usize {
        self.options.sides.len() + 1
    }
}

#[cfg(test)]
mod tests;

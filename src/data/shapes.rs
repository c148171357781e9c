//! Made-up pictures with exact masks: a data set that needs no files.

use std::f32::consts::TAU;

use glam::Vec2;
use rand_chacha::ChaCha8Rng;

use super::mask::Mask;
use super::picture::{Picture, check_channels};
use super::random::{Purpose, below, between, keyed, normal, shuffle};
use super::sample::{Dataset, Sample};
use super::series::{Place, Series};
use crate::{Error, Result};

/// Deviation of the noise on every pixel.
const NOISE: f32 = 0.08;
/// What shapes add to the background: no two shapes of a picture share a level, so that overlaps can be seen,
/// and some are darker and some lighter, so that no threshold finds them.
const CONTRASTS: [f32; 4] = [-0.36, -0.23, 0.23, 0.36];
/// Contrasts vary by up to this around their level.
const JITTER: f32 = 0.03;

/// What shapes to make.
#[derive(Debug, Clone, PartialEq)]
pub struct ShapesOptions {
    /// Pixels a side, at least 16.
    pub size: usize,
    /// How large shapes are, above 0 and up to 2; 1 for a third of the picture's side on average.
    pub scale: f32,
    /// 2 (background and any shape, regular polygons among them) or 4 (background, disc, rectangle,
    /// triangle).
    pub classes: usize,
    /// 1, or 3 for gray in RGB with noise of its own in each channel.
    pub channels: usize,
    /// Number of samples; those of `val` and `test` come behind them.
    pub count: usize,
    /// Samples of a second series, for validation.
    pub val: usize,
    /// Samples of a third series, for the test.
    pub test: usize,
    /// A sample depends on this, size, classes and channels, its series and its place there alone.
    pub seed: u64,
}

impl Default for ShapesOptions {
    fn default() -> Self {
        Self { size: 64, scale: 1.0, classes: 2, channels: 1, count: 256, val: 0, test: 0, seed: 0 }
    }
}

/// A seeded data set of 1 to 4 shapes, lighter and darker than a shaded, textured and noisy background. Later
/// shapes cover earlier ones.
#[derive(Debug, Clone)]
pub struct ShapesDataset {
    options: ShapesOptions,
    series: Series,
}

impl ShapesDataset {
    /// # Errors
    /// [`Error::Config`] where an option is outside what its description says, or `count` is 0.
    pub fn new(options: ShapesOptions) -> Result<Self> {
        check_channels(options.channels)?;
        let ShapesOptions { size, scale, classes, count, .. } = options;
        let fits = scale > 0.0 && scale <= 2.0 && (16..=8192).contains(&size) && matches!(classes, 2 | 4);
        if !fits || count == 0 {
            let message = format!(
                "shapes: size {size} (16 to 8192), scale {scale} (above 0, to 2), classes {classes} (2 or 4), count {count} (above 0)"
            );
            return Err(Error::Config(message));
        }
        let series = Series::new("shape", [count, options.val, options.test]);
        Ok(Self { options, series })
    }

    /// What it was made with.
    pub fn options(&self) -> &ShapesOptions {
        &self.options
    }
}

impl Dataset for ShapesDataset {
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
        let Place { id, series, number } = self.series.place(i)?;
        let mut rng = keyed(Purpose::Shapes, self.options.seed, number, series);
        let scene = Scene::random(&mut rng, self.options.classes, self.options.scale);
        let (picture, mask) = scene.draw(self.options.size, self.options.channels, &mut rng);
        Ok(Sample { id, picture, mask })
    }

    fn channels(&self) -> usize {
        self.options.channels
    }

    fn classes(&self) -> usize {
        self.options.classes
    }
}

/// A picture before it has pixels: the unit square, y down.
struct Scene {
    background: Background,
    shapes: Vec<Shape>,
}

impl Scene {
    fn random(rng: &mut ChaCha8Rng, classes: usize, scale: f32) -> Self {
        let background = Background::random(rng);
        let mut contrasts = CONTRASTS;
        shuffle(&mut contrasts, rng);
        let count = 1 + below(rng, CONTRASTS.len());
        let shape = |&contrast: &f32| Shape::random(rng, classes, scale, contrast);
        let shapes = contrasts[..count].iter().map(shape).collect();
        Self { background, shapes }
    }

    fn draw(&self, size: usize, channels: usize, rng: &mut ChaCha8Rng) -> (Picture, Mask) {
        let mut data = Vec::with_capacity(size * size * channels);
        let mut classes = Vec::with_capacity(size * size);
        for i in 0..size * size {
            let at = (Vec2::new((i % size) as f32, (i / size) as f32) + 0.5) / size as f32;
            let top = self.shapes.iter().rev().find(|shape| shape.outline.contains(at));
            let value = self.background.at(at) + top.map_or(0.0, |shape| shape.contrast);
            data.extend((0..channels).map(|_| (value + NOISE * normal(rng)).clamp(0.0, 1.0)));
            classes.push(top.map_or(0, |shape| shape.class));
        }
        let picture = Picture { width: size, height: size, channels, data };
        (picture, Mask { width: size, height: size, data: classes })
    }
}

/// A shaded plane with a fine wave over it. Its range is wider than the weaker contrasts.
struct Background {
    level: f32,
    slope: Vec2,
    waves: [(Vec2, f32); 2],
}

impl Background {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let level = between(rng, 0.42, 0.58);
        let slope = Vec2::from_angle(between(rng, 0.0, TAU)) * between(rng, 0.15, 0.35);
        let mut wave = |low: f32, high: f32| {
            let vector = Vec2::from_angle(between(rng, 0.0, TAU)) * TAU * between(rng, low, high);
            (vector, between(rng, 0.0, TAU))
        };
        Self { level, slope, waves: [wave(1.0, 2.0), wave(5.0, 9.0)] }
    }

    fn at(&self, p: Vec2) -> f32 {
        let [coarse, fine] = self.waves.map(|(vector, phase)| (vector.dot(p) + phase).sin());
        self.level + self.slope.dot(p - 0.5) + 0.04 * coarse + 0.03 * fine
    }
}

struct Shape {
    class: u8,
    contrast: f32,
    outline: Outline,
}

enum Outline {
    Disc {
        centre: Vec2,
        radius: f32,
    },
    /// Corners of a convex polygon, counter-clockwise by angle.
    Convex(Vec<Vec2>),
}

impl Shape {
    fn random(rng: &mut ChaCha8Rng, classes: usize, scale: f32, contrast: f32) -> Self {
        let kinds = if classes == 2 { 4 } else { 3 };
        let kind = below(rng, kinds);
        let contrast = contrast + between(rng, -JITTER, JITTER);
        let centre = Vec2::new(between(rng, 0.1, 0.9), between(rng, 0.1, 0.9));
        let radius = scale * between(rng, 0.11, 0.24);
        let outline = match kind {
            0 => Outline::Disc { centre, radius: radius * 0.85 },
            1 => rectangle(rng, centre, radius),
            2 => regular(rng, centre, radius, 3),
            _ => {
                let corners = 5 + below(rng, 4);
                regular(rng, centre, radius, corners)
            }
        };
        let class = if classes == 2 { 1 } else { kind as u8 + 1 };
        Self { class, contrast, outline }
    }
}

impl Outline {
    fn contains(&self, p: Vec2) -> bool {
        match self {
            Self::Disc { centre, radius } => p.distance_squared(*centre) <= radius * radius,
            Self::Convex(corners) => {
                let next = corners.iter().cycle().skip(1);
                corners.iter().zip(next).all(|(a, b)| (*b - *a).perp_dot(p - *a) >= 0.0)
            }
        }
    }
}

/// A rotated rectangle, up to about twice as long as wide, whose half diagonal is `radius`.
fn rectangle(rng: &mut ChaCha8Rng, centre: Vec2, radius: f32) -> Outline {
    let turn = Vec2::from_angle(between(rng, 0.0, TAU));
    let half = Vec2::from_angle(between(rng, 0.46, 1.1)) * radius;
    let corners = [Vec2::ONE, Vec2::new(-1.0, 1.0), Vec2::NEG_ONE, Vec2::new(1.0, -1.0)];
    Outline::Convex(corners.iter().map(|corner| centre + turn.rotate(*corner * half)).collect())
}

fn regular(rng: &mut ChaCha8Rng, centre: Vec2, radius: f32, corners: usize) -> Outline {
    let start = between(rng, 0.0, TAU);
    let angle = |i: usize| start + TAU * i as f32 / corners as f32;
    Outline::Convex((0..corners).map(|i| centre + Vec2::from_angle(angle(i)) * radius).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(classes: usize, seed: u64) -> ShapesDataset {
        ShapesDataset::new(ShapesOptions { classes, seed, count: 64, ..ShapesOptions::default() }).unwrap()
    }

    #[test]
    fn a_sample_depends_on_seed_and_index_alone() {
        let (a, b) = (data(2, 3), data(2, 3));
        b.load(0).unwrap();
        assert_eq!(a.load(7).unwrap(), b.load(7).unwrap());
        assert_ne!(a.load(7).unwrap().picture, a.load(8).unwrap().picture);
        assert_ne!(a.load(7).unwrap().picture, data(2, 4).load(7).unwrap().picture);
        assert!(a.load(64).is_err());
    }

    #[test]
    fn classes_and_foreground_are_balanced() {
        for classes in [2, 4] {
            let set = data(classes, 1);
            let mut counts = vec![0usize; classes];
            for i in 0..set.len() {
                let mask = set.load(i).unwrap().mask;
                assert!(mask.data.iter().any(|v| *v > 0), "sample {i} shows no shape");
                mask.data.iter().for_each(|v| counts[usize::from(*v)] += 1);
            }
            let total = (64 * 64 * set.len()) as f64;
            let share: Vec<f64> = counts.iter().map(|&n| n as f64 / total).collect();
            assert!((0.6..0.9).contains(&share[0]), "{share:?}");
            assert!(share[1..].iter().all(|s| *s > 0.02), "{share:?}");
        }
    }

    /// The best Dice that any window of intensities reaches is far from what a network should learn.
    #[test]
    fn no_threshold_solves_it() {
        let set = data(2, 2);
        let (mut inside, mut outside) = ([0f64; 101], [0f64; 101]);
        for sample in (0..set.len()).map(|i| set.load(i).unwrap()) {
            for (value, class) in sample.picture.data.iter().zip(&sample.mask.data) {
                let histogram = if *class > 0 { &mut inside } else { &mut outside };
                histogram[(value * 100.0) as usize] += 1.0;
            }
        }
        let total: f64 = inside.iter().sum();
        // The best set of intensities takes those most often inside first.
        let mut order: Vec<usize> = (0..101).collect();
        order.sort_by(|&a, &b| (inside[b] * outside[a]).total_cmp(&(inside[a] * outside[b])));
        let (mut hits, mut taken, mut best) = (0.0, 0.0, 0f64);
        for bin in order {
            hits += inside[bin];
            taken += inside[bin] + outside[bin];
            best = best.max(2.0 * hits / (taken + total));
        }
        assert!((0.3..0.85).contains(&best), "best Dice by intensity {best}");
    }

    /// Whoever knows the background and looks at 3x3 pixels at a time nearly solves it, so a network can.
    #[test]
    fn looking_around_solves_it() {
        let (size, mut hits, mut total) = (64, 0usize, 0usize);
        for i in 0..32 {
            let mut rng = keyed(Purpose::Shapes, 3, i, 0);
            let scene = Scene::random(&mut rng, 2, 1.0);
            let (picture, mask) = scene.draw(size, 1, &mut rng);
            let place = |x: usize, y: usize| (Vec2::new(x as f32, y as f32) + 0.5) / size as f32;
            let excess = |x: usize, y: usize| picture.data[y * size + x] - scene.background.at(place(x, y));
            for (x, y) in (1..size - 1).flat_map(|y| (1..size - 1).map(move |x| (x, y))) {
                let mut near: Vec<f32> = (0..9).map(|k| excess(x + k % 3 - 1, y + k / 3 - 1)).collect();
                near.sort_by(f32::total_cmp);
                let (found, truth) = (near[4].abs() > 0.115, mask.data[y * size + x] > 0);
                hits += 2 * usize::from(found && truth);
                total += usize::from(found) + usize::from(truth);
            }
        }
        let dice = hits as f64 / total as f64;
        assert!(dice > 0.95, "Dice {dice}");
    }

    #[test]
    fn shapes_stand_out_from_what_is_around_them() {
        let mut rng = keyed(Purpose::Shapes, 9, 0, 0);
        for _ in 0..50 {
            let scene = Scene::random(&mut rng, 4, 1.0);
            let mut contrasts: Vec<f32> = scene.shapes.iter().map(|s| s.contrast).collect();
            contrasts.push(0.0);
            contrasts.sort_by(f32::total_cmp);
            assert!(contrasts.windows(2).all(|w| w[1] - w[0] > 0.05), "{contrasts:?}");
        }
    }

    #[test]
    fn outlines_know_their_inside() {
        let mut rng = keyed(Purpose::Shapes, 1, 0, 0);
        let centre = Vec2::splat(0.5);
        for outline in [rectangle(&mut rng, centre, 0.2), regular(&mut rng, centre, 0.2, 3)] {
            assert!(outline.contains(centre));
            assert!(!outline.contains(centre + Vec2::new(0.21, 0.0)));
            let Outline::Convex(corners) = outline else { unreachable!() };
            assert!(corners.iter().all(|c| (c.distance(centre) - 0.2).abs() < 1e-5));
        }
    }

    #[test]
    fn bad_options_are_refused() {
        let base = ShapesOptions::default();
        for bad in [
            ShapesOptions { size: 8, ..base.clone() },
            ShapesOptions { classes: 3, ..base.clone() },
            ShapesOptions { channels: 2, ..base.clone() },
            ShapesOptions { scale: 0.0, ..base.clone() },
            ShapesOptions { count: 0, ..base },
        ] {
            assert!(matches!(ShapesDataset::new(bad), Err(Error::Config(_))));
        }
    }
}

//! What lies behind the vessels: soft tissue, ribs, spine, the rim of the beam.

use std::f32::consts::TAU;

use glam::Vec2;
use rand_chacha::ChaCha8Rng;

use super::super::random::{below, between};

/// Light that arrives without vessels, over the unit square.
pub(super) struct Backdrop {
    level: f32,
    slope: Vec2,
    blobs: Vec<Blob>,
    ribs: Vec<Rib>,
    spine: Spine,
    /// Distance from the middle at which the beam begins to fade, and how wide its fading is.
    beam: [f32; 2],
}

/// A soft lump, or a hole: a Gaussian of its own width along each of two axes.
struct Blob {
    middle: Vec2,
    axis: Vec2,
    widths: Vec2,
    gain: f32,
}

/// A band along a parabola, denser at its rims, as hollow bones look.
struct Rib {
    /// Height at the left border, at the middle less the mean of the borders, and at the right less the left.
    curve: [f32; 3],
    half: f32,
    gain: f32,
}

/// An upright band, with vertebrae.
struct Spine {
    x: f32,
    lean: f32,
    half: f32,
    gain: f32,
    period: f32,
    phase: f32,
}

/// 1 below `low`, 0 above `high`, smooth between.
fn fall(v: f32, low: f32, high: f32) -> f32 {
    let t = ((v - low) / (high - low)).clamp(0.0, 1.0);
    1.0 - t * t * (3.0 - 2.0 * t)
}

impl Backdrop {
    pub(super) fn random(rng: &mut ChaCha8Rng) -> Self {
        let level = between(rng, 0.52, 0.68);
        let slope = Vec2::from_angle(between(rng, 0.0, TAU)) * between(rng, 0.02, 0.16);
        let blobs = (0..9 + below(rng, 6)).map(|_| Blob::random(rng)).collect();
        let tilt = between(rng, -0.35, 0.35);
        let first = between(rng, -0.1, 0.15);
        let pitch = between(rng, 0.17, 0.27);
        let ribs = (0..3 + below(rng, 3)).map(|i| Rib::random(rng, first + pitch * i as f32, tilt)).collect();
        let fade = between(rng, 0.58, 0.95);
        Self { level, slope, blobs, ribs, spine: Spine::random(rng), beam: [fade, between(rng, 0.1, 0.2)] }
    }

    pub(super) fn at(&self, p: Vec2) -> f32 {
        let away = p - 0.5;
        let lumps: f32 = self.blobs.iter().map(|blob| blob.at(p)).sum();
        let bones: f32 = self.ribs.iter().map(|rib| rib.at(p)).product::<f32>() * self.spine.at(p);
        let [fade, width] = self.beam;
        let beam = 0.25 + 0.75 * fall(away.length(), fade, fade + width);
        ((self.level + self.slope.dot(away) + lumps) * bones * beam).clamp(0.04, 0.97)
    }
}

impl Blob {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        let middle = Vec2::new(between(rng, -0.1, 1.1), between(rng, -0.1, 1.1));
        let axis = Vec2::from_angle(between(rng, 0.0, TAU));
        let widths = Vec2::new(between(rng, 0.08, 0.3), between(rng, 0.05, 0.16));
        Self { middle, axis, widths, gain: between(rng, -0.13, 0.1) }
    }

    fn at(&self, p: Vec2) -> f32 {
        let off = self.axis.rotate(p - self.middle) / self.widths;
        self.gain * (-0.5 * off.length_squared()).exp()
    }
}

impl Rib {
    fn random(rng: &mut ChaCha8Rng, height: f32, tilt: f32) -> Self {
        let curve =
            [height + between(rng, -0.03, 0.03), between(rng, 0.02, 0.13), tilt + between(rng, -0.06, 0.06)];
        Self { curve, half: between(rng, 0.025, 0.045), gain: between(rng, 0.04, 0.11) }
    }

    /// Share of the light that passes.
    fn at(&self, p: Vec2) -> f32 {
        let [height, sag, rise] = self.curve;
        let middle = height + rise * p.x + 4.0 * sag * p.x * (1.0 - p.x);
        let off = (p.y - middle).abs() / self.half;
        let rim = (-((off - 0.8) / 0.25).powi(2)).exp();
        1.0 - self.gain * (0.65 * fall(off, 0.7, 1.3) + 0.35 * rim)
    }
}

impl Spine {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        Self {
            x: between(rng, -0.1, 1.1),
            lean: between(rng, -0.25, 0.25),
            half: between(rng, 0.09, 0.14),
            gain: between(rng, 0.06, 0.2),
            period: between(rng, 0.16, 0.24),
            phase: between(rng, 0.0, 1.0),
        }
    }

    /// Share of the light that passes.
    fn at(&self, p: Vec2) -> f32 {
        let off = (p.x - self.x - self.lean * (p.y - 0.5)).abs() / self.half;
        let along = (TAU * (p.y / self.period + self.phase)).cos();
        1.0 - self.gain * fall(off, 0.55, 1.35) * (1.0 + 0.18 * along)
    }
}

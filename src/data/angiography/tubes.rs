//! Vessels and catheter: curves of some width.

use std::f32::consts::{FRAC_PI_2, PI, TAU};

use glam::Vec2;
use rand_chacha::ChaCha8Rng;

use super::super::random::{below, between, normal};

/// Length of a step along a curve, as a share of the side.
const STEP: f32 = 0.008;
/// Vessels that have grown thinner than this end.
const THINNEST: f32 = 0.0017;
/// How often vessels branch, branches of branches included.
const GENERATIONS: usize = 3;

/// A curve with a radius at each point. All lengths are shares of the picture's side.
pub(super) struct Tube(Vec<(Vec2, f32)>);

impl Tube {
    /// Calls `paint` for every pixel whose middle is inside, with the pixel's index and half the way through the tube
    /// there. A tube is at least a pixel wide.
    pub(super) fn draw(&self, size: usize, mut paint: impl FnMut(usize, f32)) {
        let side = size as f32;
        let least = 0.55 / side;
        for pair in self.0.windows(2) {
            let [(a, ra), (b, rb)] = [pair[0], pair[1]];
            let reach = ra.max(rb).max(least);
            let first = ((a.min(b) - reach) * side - 0.5).ceil().max(Vec2::ZERO);
            let last = ((a.max(b) + reach) * side - 0.5).floor().min(Vec2::splat(side - 1.0));
            // Where the tube is outside the picture these are empty.
            for y in first.y as i32..=last.y as i32 {
                for x in first.x as i32..=last.x as i32 {
                    let p = (Vec2::new(x as f32, y as f32) + 0.5) / side;
                    let along = ((p - a).dot(b - a) / (b - a).length_squared().max(1e-12)).clamp(0.0, 1.0);
                    let radius = (ra + (rb - ra) * along).max(least);
                    let off = p.distance_squared(a + (b - a) * along);
                    if off <= radius * radius {
                        paint(y as usize * size + x as usize, (radius * radius - off).sqrt());
                    }
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn points(&self) -> &[(Vec2, f32)] {
        &self.0
    }
}

/// A tree of vessels that begins at `ostium`: a short stem and two or three arteries that part from it.
pub(super) fn vessels(rng: &mut ChaCha8Rng, ostium: Vec2) -> Vec<Tube> {
    let mut tree = Vec::new();
    let outward = (Vec2::new(0.55, 0.6) - ostium).to_angle();
    let radius = between(rng, 0.0095, 0.013);
    let stem = Walk { at: ostium, heading: outward + between(rng, -0.4, 0.4), radius, generation: 0 };
    let length = between(rng, 0.03, 0.09);
    let end = stem.go(rng, &mut tree, length, 0.0);
    let arteries = 2 + below(rng, 2);
    for i in 0..arteries {
        // Fanned out around the way to the middle.
        let fan = (i as f32 - (arteries - 1) as f32 / 2.0) * between(rng, 0.7, 1.1);
        let share = between(rng, 0.72, 0.9);
        let artery = Walk { heading: outward + fan, radius: end.radius * share, ..end };
        let length = between(rng, 0.55, 0.95);
        artery.go(rng, &mut tree, length, 1.0);
    }
    tree
}

/// The tip of a growing vessel.
#[derive(Clone, Copy)]
struct Walk {
    at: Vec2,
    heading: f32,
    radius: f32,
    generation: usize,
}

impl Walk {
    /// Grows on by `length`, with side branches about `branching` times as often as usual; gives the end.
    fn go(mut self, rng: &mut ChaCha8Rng, tree: &mut Vec<Tube>, length: f32, branching: f32) -> Self {
        let mut points = vec![(self.at, self.radius)];
        let (mut turn, mut since, mut branches) = (0.0f32, 0.0f32, Vec::new());
        let sway = between(rng, 0.018, 0.045);
        for _ in 0..(length / STEP) as usize {
            turn = (0.84 * turn + sway * normal(rng)).clamp(-0.16, 0.16);
            // Vessels lie on the heart: far from the middle they bend back to it.
            let home = Vec2::splat(0.54) - self.at;
            let away = angle_between(self.heading, home.to_angle());
            let pull = (home.length() - 0.3).max(0.0) * 0.35;
            self.heading += turn + pull * away.signum() * away.abs().min(1.0);
            self.at += Vec2::from_angle(self.heading) * STEP;
            self.radius *= 1.0 - between(rng, 0.002, 0.009);
            since += STEP;
            points.push((self.at, self.radius));
            if self.radius < THINNEST {
                break;
            }
            let due = since > 0.045 && between(rng, 0.0, 1.0) < 0.12 * branching;
            if due && self.generation < GENERATIONS {
                since = 0.0;
                branches.push(self.branch(rng));
                // What is left of the flow (Murray's law, roughly).
                self.radius *= between(rng, 0.88, 0.97);
            }
        }
        tree.push(Tube(points));
        for branch in branches {
            let share = between(rng, 0.12, 0.34) * 0.85f32.powi(branch.generation as i32);
            branch.go(rng, tree, share, branching);
        }
        self
    }

    fn branch(&self, rng: &mut ChaCha8Rng) -> Self {
        let side = if below(rng, 2) == 0 { 1.0 } else { -1.0 };
        let heading = self.heading + side * between(rng, 0.45, 1.2);
        let radius = self.radius * between(rng, 0.45, 0.75);
        Self { at: self.at, heading, radius, generation: self.generation + 1 }
    }
}

/// What to turn by to come from one angle to another, the short way.
fn angle_between(from: f32, to: f32) -> f32 {
    (to - from + PI).rem_euclid(TAU) - PI
}

/// A catheter of one width that comes in over the upper, left or right border and ends at `tip`.
pub(super) fn catheter(rng: &mut ChaCha8Rng, tip: Vec2) -> Tube {
    let radius = between(rng, 0.0085, 0.0115);
    let start = match below(rng, 4) {
        0 => Vec2::new(-0.03, between(rng, 0.4, 0.9)),
        1 => Vec2::new(1.03, between(rng, 0.0, 0.3)),
        _ => Vec2::new(between(rng, 0.05, 0.95), -0.03),
    };
    // It comes straight in and reaches the tip with a hook.
    let reach = start.distance(tip);
    let inward = match start {
        s if s.y < 0.0 => FRAC_PI_2,
        s if s.x < 0.0 => 0.0,
        _ => PI,
    };
    let first = start + Vec2::from_angle(inward + between(rng, -0.3, 0.3)) * reach * between(rng, 0.4, 0.9);
    let hook =
        (start - tip).to_angle() + between(rng, 0.5, 1.3) * if below(rng, 2) == 0 { 1.0 } else { -1.0 };
    let second = tip + Vec2::from_angle(hook) * between(rng, 0.12, 0.3);
    let steps = (2.0 / STEP) as usize;
    let point = |i: usize| {
        let t = i as f32 / steps as f32;
        let s = 1.0 - t;
        start * s * s * s + first * 3.0 * s * s * t + second * 3.0 * s * t * t + tip * t * t * t
    };
    Tube((0..=steps).map(|i| (point(i), radius)).collect())
}

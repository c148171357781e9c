//! Augmentation: how each picture of a batch is changed, as a function of seed and step.

use std::f64::consts::PI;

use glam::{DMat3, DVec2, DVec3};
use rand_chacha::ChaCha8Rng;

use super::trainer::Changes;
use crate::data::random::{Purpose, between, keyed};

/// What may be done to a picture; zero leaves that out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Chance of each kind of change but flips.
    pub probability: f64,
    /// Turned by up to this, radians.
    pub rotate: f64,
    /// Moved along each axis by up to this share of the size.
    pub shift: f64,
    /// Enlarged or shrunk by a factor of up to 1 + this.
    pub zoom: f64,
    /// The same, each axis by itself.
    pub stretch: f64,
    /// Sheared by up to this, radians.
    pub shear: f64,
    /// Tilted: the scale at the borders differs from that in the middle by up to this share.
    pub skew: f64,
    /// Bent: each pixel moved along a smooth random field with this deviation at most, pixels.
    pub elastic: f64,
    /// Brighter or darker by up to this, in the units of normalised values.
    pub brightness: f64,
    /// Contrast changed by a factor of up to 1 + this.
    pub contrast: f64,
    /// The value that contrast leaves as it is.
    pub centre: f64,
    /// Noise of up to this deviation, in the units of normalised values.
    pub noise: f64,
    /// Blurred by a Gaussian of up to this deviation, pixels.
    pub blur: f64,
    /// Whether a median filter is among the changes.
    pub median: bool,
    /// Whether half of the pictures are mirrored along x, and along y.
    pub flips: [bool; 2],
    /// Up to this share of height and width is cut off, and the rest enlarged.
    pub crop: f64,
}

impl Augment {
    /// The changes of the `n` pictures of step number `step`.
    pub fn changes(&self, seed: u64, step: u64, n: usize, size: [usize; 2]) -> Changes {
        let one = |i: usize| self.one(&mut keyed(Purpose::Augment, seed, step, i as u64), size);
        let [low, high] = [seed as u32, (seed >> 32) as u32];
        let words = [low, high, step as u32, (step >> 32) as u32];
        let (mut moves, mut blurs, mut medians) = (Vec::new(), Vec::new(), Vec::new());
        for (plane, blur, median) in (0..n).map(one) {
            moves.extend(plane);
            blurs.push(blur);
            medians.push(median);
        }
        Changes { moves, blurs, medians, words }
    }

    /// Of a picture its row of the moves, the deviation that it is blurred by, and whether it is filtered. The row: the matrix from the place in the changed picture to that in the picture, and what happens to
    /// the values ([`crate::ops::Warp`]).
    fn one(&self, rng: &mut ChaCha8Rng, [h, w]: [usize; 2]) -> ([f32; 16], f32, f32) {
        // Always drawn, so that one kind of change does not alter another.
        let mut up_to = |most: f64| {
            let [chance, value] = [between(rng, 0.0, 1.0), between(rng, -1.0, 1.0)].map(f64::from);
            if chance < self.probability { most * value } else { 0.0 }
        };
        let size = DVec2::new(w as f64, h as f64);
        let shift = DVec2::new(up_to(self.shift), up_to(self.shift)) * size;
        let turn = DMat3::from_angle(up_to(self.rotate));
        let zoom = up_to(self.zoom.ln_1p()).exp();
        let stretch = DVec2::new(up_to(self.stretch.ln_1p()), up_to(self.stretch.ln_1p())).map(f64::exp);
        let shear = up_to(self.shear).clamp(-0.45 * PI, 0.45 * PI).tan();
        let shear = DMat3::from_cols(DVec3::X, DVec3::new(shear, 1.0, 0.0), DVec3::Z);
        // First of all, where the place is in the picture: there the scale stays within skew of 1, and above 0.
        let tilt = DVec2::new(up_to(self.skew), up_to(self.skew)) / size;
        let tilt = DMat3::from_cols(DVec3::new(1.0, 0.0, tilt.x), DVec3::new(0.0, 1.0, tilt.y), DVec3::Z);
        let plane = turn * shear * DMat3::from_scale(stretch / zoom) * DMat3::from_translation(shift) * tilt;
        let gain = up_to(self.contrast.ln_1p()).exp();
        let offset = self.centre * (1.0 - gain) + up_to(self.brightness);
        let (noise, bend) = (up_to(self.noise).abs(), up_to(self.elastic));
        let (blur, filtered) = (up_to(self.blur).abs(), up_to(1.0) != 0.0);
        let cut = up_to(self.crop).abs();
        let mut drawn = || f64::from(between(rng, -1.0, 1.0));
        let corner = 0.5 * cut * DVec2::new(drawn(), drawn()) * size;
        let mirror = self.flips.map(|flip| if drawn() < 0.0 && flip { -1.0 } else { 1.0 });
        // Last, so nearest to the picture itself.
        let plane = DMat3::from_translation(corner)
            * DMat3::from_scale((1.0 - cut) * DVec2::from_array(mirror))
            * plane;
        let mut moves = [0.0; 16];
        for (row, to) in moves.chunks_exact_mut(4).take(3).enumerate() {
            to[..3].copy_from_slice(&plane.row(row).as_vec3().to_array());
        }
        moves[12..].copy_from_slice(&[gain, offset, noise, bend].map(|v| v as f32));
        (moves, blur as f32, f32::from(u8::from(self.median && filtered)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Augment {
        Augment {
            probability: 1.0,
            rotate: 0.5,
            shift: 0.2,
            zoom: 0.3,
            stretch: 0.2,
            shear: 0.3,
            skew: 0.3,
            elastic: 4.0,
            brightness: 0.2,
            contrast: 0.3,
            centre: 0.5,
            noise: 0.1,
            blur: 1.5,
            median: true,
            flips: [true; 2],
            crop: 0.2,
        }
    }

    #[test]
    fn changes_follow_seed_step_and_place_alone() {
        let of = |seed, step, n| all().changes(seed, step, n, [32, 64]);
        let four = of(1, 2, 4);
        assert_eq!(of(1, 2, 2).moves, four.moves[..32]);
        assert!(of(2, 2, 4).moves != four.moves && of(1, 3, 4).moves != four.moves);
        assert_ne!(of(1, 3, 4).words, four.words);
        assert_ne!(four.moves[..16], four.moves[16..32]);
        assert_eq!((four.blurs.len(), &four.medians[..]), (4, &[1.0; 4][..]));
        assert!(four.blurs.iter().all(|b| (0.0..=1.5).contains(b)) && four.blurs[0] != four.blurs[1]);
    }

    #[test]
    fn nothing_asked_for_is_nothing_done() {
        let still = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let none = Augment { probability: 1.0, ..Augment::default() };
        let done = none.changes(0, 0, 1, [8, 8]);
        assert_eq!((done.moves.as_slice(), done.blurs[0], done.medians[0]), (&still[..], 0.0, 0.0));
        let never = Augment { probability: 0.0, flips: [false; 2], ..all() };
        assert_eq!(never.changes(0, 0, 1, [8, 8]).moves, still);
    }

    #[test]
    fn crops_lie_within_the_picture_and_flips_are_half() {
        let cuts = Augment { probability: 1.0, flips: [true, false], crop: 0.4, ..Augment::default() };
        let mut mirrored = 0;
        for step in 0..200 {
            let m = cuts.changes(3, step, 1, [32, 64]).moves;
            assert!(m[0].abs() == m[5] && (0.6..=1.0).contains(&m[5]), "{m:?}");
            assert!(32.0 * m[0].abs() + m[2].abs() <= 32.001 && 16.0 * m[5] + m[6].abs() <= 16.001, "{m:?}");
            mirrored += usize::from(m[0] < 0.0);
        }
        assert!((70..130).contains(&mirrored), "{mirrored} of 200");
    }

    #[test]
    fn changes_stay_within_their_bounds() {
        let turns =
            Augment { probability: 1.0, rotate: 0.5, contrast: 0.3, centre: 0.5, ..Augment::default() };
        for step in 0..200 {
            let moves = turns.changes(9, step, 1, [32, 64]).moves;
            let (cos, sin) = (moves[0], moves[4]);
            assert!((cos.hypot(sin) - 1.0).abs() < 1e-6 && sin.abs() <= 0.5f32.sin() + 1e-6);
            // Gain and offset leave the centre alone.
            assert!((0.5 * moves[12] + moves[13] - 0.5).abs() < 1e-6 && (0.76..1.31).contains(&moves[12]));
        }
        for step in 0..200 {
            // The tilted plane never turns over within the picture.
            let far = Augment { shift: 5.0, skew: 0.4, ..all() };
            let m = far.changes(9, step, 1, [32, 64]).moves;
            for (x, y) in [(-32.0, -16.0), (32.0, -16.0), (-32.0, 16.0), (32.0, 16.0)] {
                assert!(m[8] * x + m[9] * y + m[10] > 0.5, "{m:?}");
            }
        }
    }
}

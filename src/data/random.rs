//! Random numbers as functions of a key, so that nothing depends on what was drawn before.

use std::f32::consts::TAU;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the numbers are for; equal keys give unrelated numbers for different purposes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Split = 1,
    Order = 2,
    Turn = 3,
    Shapes = 4,
    Augment = 5,
    Polygons = 6,
    Angiography = 7,
    Noise = 8,
    Ranking = 9,
    Crop = 10,
}

/// The generator of (purpose, seed, a, b).
pub(crate) fn keyed(purpose: Purpose, seed: u64, a: u64, b: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (slot, word) in key.chunks_exact_mut(8).zip([purpose as u64, seed, a, b]) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A whole number below `n`, or 0 for `n` = 0. 64 bits on every platform.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A number in `low..high`.
pub(crate) fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// Two independent numbers, normally distributed with mean 0 and deviation 1 (Box and Muller).
pub(crate) fn normal_pair(rng: &mut ChaCha8Rng) -> [f32; 2] {
    // 1 - u is above 0, where the logarithm is finite.
    let radius = (-2.0 * (1.0 - between(rng, 0.0, 1.0)).ln()).sqrt();
    let (sin, cos) = between(rng, 0.0, TAU).sin_cos();
    [radius * cos, radius * sin]
}

/// A normally distributed number with mean 0 and deviation 1; it stays within six.
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f32 {
    normal_pair(rng)[0]
}

/// Puts `items` in random order.
pub(crate) fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_matters() {
        let first = |p, s, a, b| keyed(p, s, a, b).next_u64();
        let base = first(Purpose::Order, 1, 2, 3);
        assert_eq!(base, first(Purpose::Order, 1, 2, 3));
        let others = [
            (Purpose::Turn, 1, 2, 3),
            (Purpose::Order, 0, 2, 3),
            (Purpose::Order, 1, 0, 3),
            (Purpose::Order, 1, 2, 0),
        ];
        assert!(others.iter().all(|&(p, s, a, b)| first(p, s, a, b) != base));
    }

    #[test]
    fn normal_numbers_are_normal_and_pairs_independent() {
        let mut rng = keyed(Purpose::Noise, 1, 0, 0);
        let pairs: Vec<[f64; 2]> = (0..20_000).map(|_| normal_pair(&mut rng).map(f64::from)).collect();
        let n = pairs.len() as f64;
        let mean = |of: &dyn Fn(&[f64; 2]) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        for i in 0..2 {
            let (first, square) = (mean(&|p| p[i]), mean(&|p| p[i] * p[i]));
            let fourth = mean(&|p| p[i].powi(4));
            assert!(first.abs() < 0.03 && (square - 1.0).abs() < 0.05, "{first} {square}");
            assert!((fourth - 3.0).abs() < 0.4, "{fourth}");
        }
        assert!(mean(&|p| p[0] * p[1]).abs() < 0.03);
        assert!(pairs.iter().flatten().all(|v| v.abs() < 6.0));
    }

    #[test]
    fn shuffles_are_permutations_and_even() {
        let mut counts = [[0u32; 4]; 4];
        for seed in 0..4000 {
            let mut items = [0usize, 1, 2, 3];
            shuffle(&mut items, &mut keyed(Purpose::Order, seed, 0, 0));
            items.iter().enumerate().for_each(|(at, &item)| counts[at][item] += 1);
        }
        assert!(counts.iter().flatten().all(|&n| (880..1120).contains(&n)), "{counts:?}");
    }
}

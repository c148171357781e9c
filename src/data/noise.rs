//! Noise that makes pictures harder.

use super::picture::Picture;
use super::random::{Purpose, keyed, normal_pair};

/// Normal noise for pictures before they are normalised: each value by itself, channels apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelNoise {
    /// Standard deviation, in units of 0 to 1.
    pub deviation: f32,
    /// Equal seeds give equal noise.
    pub seed: u64,
}

impl PixelNoise {
    /// The noise of the picture `id` in `epoch` when it has been drawn `again` times before: another in each.
    pub fn fresh(&self, id: &str, epoch: u64, again: u32) -> Grain {
        // 0 is for what stays.
        let time = epoch.wrapping_add(1) ^ u64::from(again) << 32;
        Grain { deviation: self.deviation, key: [self.seed, name_hash(id), time] }
    }

    /// The noise of the picture `id` that is always the same.
    pub fn fixed(&self, id: &str) -> Grain {
        Grain { deviation: self.deviation, key: [self.seed, name_hash(id), 0] }
    }
}

/// The noise of one picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grain {
    deviation: f32,
    key: [u64; 3],
}

impl Grain {
    /// Adds it. Values may leave 0 to 1.
    pub fn add(&self, picture: &mut Picture) {
        let [seed, name, time] = self.key;
        let mut rng = keyed(Purpose::Noise, seed, name, time);
        for values in picture.data.chunks_mut(2) {
            let drawn = normal_pair(&mut rng);
            values.iter_mut().zip(drawn).for_each(|(v, n)| *v += self.deviation * n);
        }
    }
}

/// 64 bits of a name (FNV-1a): a picture keeps its noise when others join its data set.
fn name_hash(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: PixelNoise = PixelNoise { deviation: 2.0, seed: 5 };

    fn noise(grain: Grain) -> Vec<f32> {
        let mut picture = Picture { width: 61, height: 55, channels: 3, data: vec![0.5; 61 * 55 * 3] };
        grain.add(&mut picture);
        picture.data.iter().map(|v| v - 0.5).collect()
    }

    #[test]
    fn it_has_the_deviation_and_channels_are_independent() {
        let all = noise(NOISE.fixed("a"));
        let n = all.len() as f64;
        let mean = all.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let square = all.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.08 && (square.sqrt() - 2.0).abs() < 0.06, "{mean} {square}");
        let product =
            |i: usize, j: usize| all.chunks_exact(3).map(|p| f64::from(p[i] * p[j])).sum::<f64>() / (n / 3.0);
        assert!(product(0, 1).abs() < 0.25 && product(1, 2).abs() < 0.25 && product(0, 2).abs() < 0.25);
    }

    #[test]
    fn it_is_a_function_of_seed_name_and_epoch() {
        let base = noise(NOISE.fresh("a", 3, 0));
        assert_eq!(base, noise(NOISE.fresh("a", 3, 0)));
        let others = [
            NOISE.fresh("a", 4, 0),
            NOISE.fresh("a", 3, 1),
            NOISE.fresh("b", 3, 0),
            NOISE.fixed("a"),
            PixelNoise { seed: 6, ..NOISE }.fresh("a", 3, 0),
        ];
        for other in others {
            let same = noise(other).iter().zip(&base).filter(|(a, b)| a == b).count();
            assert!(same < 5, "{same} equal values for {other:?}");
        }
        assert_eq!(noise(NOISE.fixed("a")), noise(NOISE.fixed("a")));
    }
}

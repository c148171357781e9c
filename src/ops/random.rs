//! Counter-based random words, as `shaders/shared/random.wgsl` makes them.

use crate::graph::{Array, Shape};

/// Tensor of the four raw words that a run's random numbers are a function of, such as seed, step, epoch and
/// rank. The host writes them with [`crate::graph::Session::write_words`]; to a twin they are the f32 numbers
/// that have these bits.
pub const WORDS: Shape = Shape::channels(4);

/// The raw words of such a tensor.
pub(super) fn words_of(words: &Array) -> [u32; 4] {
    let mut raw = [0; 4];
    raw.iter_mut().zip(&words.data).for_each(|(w, v)| *w = (*v as f32).to_bits());
    raw
}

fn pcg4d(counter: [u32; 4]) -> [u32; 4] {
    let [mut x, mut y, mut z, mut w] = counter.map(|v| v.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let mix = |a: &mut u32, b: u32, c: u32| *a = a.wrapping_add(b.wrapping_mul(c));
    for round in 0..2 {
        mix(&mut x, y, w);
        mix(&mut y, z, x);
        mix(&mut z, x, y);
        mix(&mut w, y, z);
        if round == 0 {
            for v in [&mut x, &mut y, &mut z, &mut w] {
                *v ^= *v >> 16;
            }
        }
    }
    [x, y, z, w]
}

/// The key of one use of random numbers in a run.
pub(super) fn key_of(words: [u32; 4], salt: u32) -> [u32; 4] {
    let [a, b, c, d] = words;
    pcg4d([a, b, c, d ^ salt])
}

/// Words number 4 i to 4 i + 3 under a key.
pub(super) fn random_words(key: [u32; 4], i: u32) -> [u32; 4] {
    let [a, b, c, d] = key;
    pcg4d([a ^ i, b, c, d])
}

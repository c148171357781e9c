//! Windows side by side, ready for upload.

use super::fit::Crop;
use super::mask::Mask;
use super::picture::Picture;
use super::random::{Purpose, below, keyed};

/// A batch of windows. Rows of `x` and `y` from `valid` on are padding: all zero, in no statistic, without id
/// or crop.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The batch's number within its epoch, from 0.
    pub index: usize,
    /// Windows, padding counted.
    pub n: usize,
    /// Rows of a window.
    pub h: usize,
    /// Pixels a row.
    pub w: usize,
    /// Channels of a picture.
    pub c: usize,
    /// Pictures, NHWC: `n * h * w * c` values.
    pub x: Vec<f32>,
    /// Class indices, NHW: `n * h * w` values.
    pub y: Vec<u8>,
    /// Real windows; `n` unless the last batch was padded.
    pub valid: usize,
    /// The samples that the real windows come from.
    pub ids: Vec<String>,
    /// Where in those samples.
    pub crops: Vec<Crop>,
}

/// One of the eight ways to lay a square onto itself: transposed first, then flipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Turn {
    pub transpose: bool,
    pub flip_x: bool,
    pub flip_y: bool,
}

impl Turn {
    /// The turn of draw `draw` in `epoch`. Windows that are not square are only flipped.
    pub(crate) fn random(seed: u64, epoch: u64, draw: usize, square: bool) -> Self {
        let bits = below(&mut keyed(Purpose::Turn, seed, epoch, draw as u64), 8);
        Self { transpose: square && bits & 4 != 0, flip_x: bits & 1 != 0, flip_y: bits & 2 != 0 }
    }

    /// The place in an untouched `h` x `w` window whose pixel comes to row `r`, column `s`.
    fn source(self, r: usize, s: usize, h: usize, w: usize) -> (usize, usize) {
        let r = if self.flip_y { h - 1 - r } else { r };
        let s = if self.flip_x { w - 1 - s } else { s };
        if self.transpose { (s, r) } else { (r, s) }
    }
}

/// Copies the `h` x `w` window at `crop` of a prepared picture and its mask to `x` (`h * w * c`) and `y` (`h * w`).
pub(crate) fn cut(
    (picture, mask): (&Picture, &Mask),
    crop: Crop,
    (h, w): (usize, usize),
    turn: Turn,
    x: &mut [f32],
    y: &mut [u8],
) {
    let (stride, c) = (picture.width, picture.channels);
    for r in 0..h {
        if turn == Turn::default() {
            let at = (crop.y + r) * stride + crop.x;
            x[r * w * c..(r + 1) * w * c].copy_from_slice(&picture.data[at * c..(at + w) * c]);
            y[r * w..(r + 1) * w].copy_from_slice(&mask.data[at..at + w]);
            continue;
        }
        for s in 0..w {
            let (row, column) = turn.source(r, s, h, w);
            let (at, to) = ((crop.y + row) * stride + crop.x + column, r * w + s);
            x[to * c..(to + 1) * c].copy_from_slice(&picture.data[at * c..(at + 1) * c]);
            y[to] = mask.data[at];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Picture, Mask) {
        let picture = Picture {
            width: 3,
            height: 3,
            channels: 2,
            data: (0..18).map(|v| (v / 2 * 10 + v % 2) as f32).collect(),
        };
        (picture, Mask { width: 3, height: 3, data: (0..9).collect() })
    }

    fn cut_turned(turn: Turn) -> Vec<u8> {
        let (mut x, mut y) = (vec![0.0; 8], vec![0; 4]);
        let (picture, mask) = sample();
        cut((&picture, &mask), Crop { item: 0, x: 1, y: 1 }, (2, 2), turn, &mut x, &mut y);
        let expected: Vec<f32> =
            y.iter().flat_map(|&v| [f32::from(v) * 10.0, f32::from(v) * 10.0 + 1.0]).collect();
        assert_eq!(x, expected, "picture and mask went apart");
        y
    }

    #[test]
    fn the_eight_turns_are_all_different_and_right() {
        let turn = |transpose, flip_x, flip_y| Turn { transpose, flip_x, flip_y };
        assert_eq!(cut_turned(turn(false, false, false)), [4, 5, 7, 8]);
        assert_eq!(cut_turned(turn(false, true, false)), [5, 4, 8, 7]);
        assert_eq!(cut_turned(turn(false, false, true)), [7, 8, 4, 5]);
        assert_eq!(cut_turned(turn(true, false, false)), [4, 7, 5, 8]);
        assert_eq!(cut_turned(turn(true, true, false)), [7, 4, 8, 5]);
        assert_eq!(cut_turned(turn(true, true, true)), [8, 5, 7, 4]);
    }

    #[test]
    fn turns_vary_over_windows_and_epochs_and_keep_oblongs() {
        let all: Vec<Turn> = (0..64).map(|i| Turn::random(1, 2, i, true)).collect();
        assert!(
            all.iter().any(|t| t.transpose) && all.iter().any(|t| t.flip_x) && all.iter().any(|t| t.flip_y)
        );
        assert_ne!(all, (0..64).map(|i| Turn::random(1, 3, i, true)).collect::<Vec<_>>());
        assert!((0..64).all(|i| !Turn::random(1, 2, i, false).transpose));
    }
}

//! The course of a curriculum: what is learnt from in which epoch.

use super::random::{Purpose, keyed, shuffle};

/// How the share of the windows that are learnt from grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// Evenly.
    Linear,
    /// As the root of a line, so that what is new comes in ever smaller shares (Platanios et al. 2019).
    Root,
    /// In so many equal steps, above 0.
    Step(usize),
}

/// Windows from the easiest to the hardest, of which the first share is drawn from; the share grows with the epochs
/// (SiGREnet, section II.B, "dynamic scheduler").
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Places in the loader's list, easiest first.
    pub windows: Vec<usize>,
    /// How the share grows.
    pub pacing: Pacing,
    /// The share of the first epoch, above 0 and up to 1.
    pub start: f64,
    /// The share that it grows to.
    pub end: f64,
    /// The epoch, from 0, from which on the share is `end`.
    pub full: u64,
}

impl Course {
    /// The share of the windows that epoch `epoch` draws from.
    pub fn share(&self, epoch: u64) -> f64 {
        if epoch >= self.full {
            return self.end;
        }
        let (t, start, end) = (epoch as f64 / self.full as f64, self.start, self.end);
        match self.pacing {
            Pacing::Linear => start + t * (end - start),
            Pacing::Root => (start * start + t * (end * end - start * start)).sqrt(),
            Pacing::Step(steps) => start + (t * steps as f64).floor() / steps as f64 * (end - start),
        }
    }

    /// How many windows epoch `epoch` draws from, one at least.
    pub fn drawn(&self, epoch: u64) -> usize {
        let count = (self.share(epoch) * self.windows.len() as f64).ceil() as usize;
        count.clamp(1, self.windows.len().max(1))
    }

    /// The order of an epoch, as long as that of all windows, so that epochs have equally many steps: what is drawn from
    /// comes again, in another order each time. Of `n` windows, window w is called w, then w + n, w + 2n, so that each
    /// time it has random numbers of its own.
    pub(super) fn order(&self, seed: u64, epoch: u64) -> Vec<usize> {
        let windows = self.windows.len();
        let easy = &self.windows[..self.drawn(epoch).min(windows)];
        let rounds = windows.div_ceil(easy.len().max(1));
        let mut order: Vec<usize> = (0..rounds)
            .flat_map(|round| {
                let mut again: Vec<usize> = easy.iter().map(|window| window + round * windows).collect();
                shuffle(&mut again, &mut keyed(Purpose::Order, seed, epoch, round as u64));
                again
            })
            .collect();
        order.truncate(windows);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(pacing: Pacing) -> Course {
        Course { windows: (0..10).rev().collect(), pacing, start: 0.3, end: 1.0, full: 6 }
    }

    #[test]
    fn shares_grow_from_start_to_end() {
        let of = |pacing| (0..8).map(|e| course(pacing).share(e)).collect::<Vec<_>>();
        let linear = of(Pacing::Linear);
        assert!((linear[0] - 0.3).abs() < 1e-12 && (linear[3] - 0.65).abs() < 1e-12);
        assert_eq!(linear[6..], [1.0, 1.0]);
        let root = of(Pacing::Root);
        assert!((root[0] - 0.3).abs() < 1e-12 && root[3] > linear[3] && root.is_sorted());
        assert!((root[3] - (0.5f64 * (1.0 + 0.09)).sqrt()).abs() < 1e-12);
        let steps = of(Pacing::Step(2));
        assert_eq!([steps[0], steps[1], steps[2]], [0.3; 3]);
        assert!((steps[3] - 0.65).abs() < 1e-12 && steps[5] == steps[3] && steps[6] == 1.0);
        assert_eq!(Course { full: 0, ..course(Pacing::Linear) }.share(0), 1.0);
    }

    #[test]
    fn an_epoch_draws_evenly_from_the_easiest() {
        let order = course(Pacing::Linear).order(1, 0);
        assert_eq!(order.len(), 10);
        for window in [9, 8, 7] {
            let mut draws: Vec<usize> = order.iter().copied().filter(|draw| draw % 10 == window).collect();
            draws.sort_unstable();
            assert!((3..=4).contains(&draws.len()));
            assert!(draws.iter().enumerate().all(|(round, draw)| *draw == window + 10 * round));
        }
        assert_ne!(order, course(Pacing::Linear).order(1, 1));
        let mut all = course(Pacing::Linear).order(1, 7);
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        let tiny = Course { windows: vec![4], start: 1e-9, ..course(Pacing::Root) };
        assert_eq!(tiny.order(0, 0), [4]);
    }
}

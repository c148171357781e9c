//! What all generators of pictures share: which pictures there are, and what they are called.

use crate::{Error, Result};

/// What the series are for, as ids tell it.
const PARTS: [&str; 3] = ["", "val_", "test_"];

/// The pictures of a generator, in three series: the main one, one for validation and one for the test. Each begins
/// anew, so that a short one is the beginning of a longer one, whatever the others hold.
#[derive(Debug, Clone)]
pub(super) struct Series {
    ids: Vec<String>,
    counts: [usize; 3],
}

/// Where a picture stands.
pub(super) struct Place {
    pub id: String,
    /// 0 main, 1 validation, 2 test.
    pub series: u64,
    /// From 0, in its series.
    pub number: u64,
}

impl Series {
    /// `counts` pictures of each series, called `<stem>_00000`, `<stem>_val_00000` and `<stem>_test_00000` on.
    pub(super) fn new(stem: &str, counts: [usize; 3]) -> Self {
        let of = |(part, count): (&&str, usize)| {
            (0..count).map(|i| format!("{stem}_{part}{i:05}")).collect::<Vec<_>>()
        };
        Self { ids: PARTS.iter().zip(counts).flat_map(of).collect(), counts }
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn id(&self, i: usize) -> &str {
        &self.ids[i]
    }

    /// # Errors
    /// [`Error::Config`] where there is no picture `i`.
    pub(super) fn place(&self, i: usize) -> Result<Place> {
        let missing = || Error::Config(format!("picture {i} of {} does not exist", self.len()));
        let id = self.ids.get(i).ok_or_else(missing)?.clone();
        let [main, val, _] = self.counts;
        let (series, number) = match i {
            i if i < main => (0, i),
            i if i < main + val => (1, i - main),
            i => (2, i - main - val),
        };
        Ok(Place { id, series, number: number as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_counts_from_zero() {
        let series = Series::new("x", [2, 1, 2]);
        let all: Vec<_> = (0..series.len()).map(|i| series.place(i).unwrap()).collect();
        let told: Vec<_> = all.iter().map(|p| (p.id.as_str(), p.series, p.number)).collect();
        let want = [
            ("x_00000", 0, 0),
            ("x_00001", 0, 1),
            ("x_val_00000", 1, 0),
            ("x_test_00000", 2, 0),
            ("x_test_00001", 2, 1),
        ];
        assert_eq!(told, want);
        assert!(series.place(5).is_err_and(|e| e.to_string().contains("picture 5 of 5")));
    }
}

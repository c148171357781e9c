//! Which items are for training, validation and testing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::csv_table::CsvTable;
use super::name_some;
use super::random::{Purpose, keyed, shuffle};
use crate::{Error, Result};

/// Indices into a data set, each part ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Items to learn from.
    pub train: Vec<usize>,
    /// Items to choose the best epoch by.
    pub val: Vec<usize>,
    /// Items to report on.
    pub test: Vec<usize>,
}

impl Split {
    /// Reads a CSV file whose header names the columns `id` and `split` (others are ignored; `train`, `val`
    /// or `test`), for the items named `ids`. A part that no line names stays empty.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Data`] where a column is missing, a part is unknown,
    /// or ids are unknown, listed twice or not listed; they are named.
    pub fn from_csv(path: impl AsRef<Path>, ids: &[&str]) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Self::parse(&text, ids).map_err(|message| Error::data(path, message))
    }

    fn parse(text: &str, ids: &[&str]) -> Result<Self, String> {
        let table = CsvTable::parse(text)?;
        let rows = parts(&table)?;
        let index: HashMap<&str, usize> = ids.iter().enumerate().map(|(i, id)| (*id, i)).collect();
        let mut parts: Vec<Option<Part>> = vec![None; ids.len()];
        let (mut unknown, mut twice) = (Vec::new(), Vec::new());
        for (id, part) in &rows {
            match index.get(id.as_str()).map(|&i| &mut parts[i]) {
                None => unknown.push(id.as_str()),
                Some(slot @ None) => *slot = Some(*part),
                Some(Some(_)) => twice.push(id.as_str()),
            }
        }
        let pairs = ids.iter().zip(&parts);
        let unlisted: Vec<&str> = pairs.filter(|(_, part)| part.is_none()).map(|(id, _)| *id).collect();
        for (offenders, what) in [
            (unknown, "lists ids that are not in the data set (ids are file names without extension)"),
            (twice, "lists ids twice"),
            (unlisted, "does not list these items of the data set"),
        ] {
            if !offenders.is_empty() {
                return Err(format!("{what}: {}", name_some(&offenders)));
            }
        }
        let of = |wanted| (0..ids.len()).filter(|&i| parts[i] == Some(wanted)).collect();
        Ok(Self { train: of(Part::Train), val: of(Part::Val), test: of(Part::Test) })
    }

    /// Whether a CSV file has a column `split`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn names_parts(path: impl AsRef<Path>) -> Result<bool> {
        Ok(CsvTable::read(path.as_ref())?.find("split").is_some())
    }

    /// The pictures that belong together since their names begin with the same `start` characters: a number for each of `ids`, equal
    /// where those are.
    pub fn groups_by_name(ids: &[&str], start: usize) -> Vec<usize> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let number = |id: &&str| {
            let next = numbers.len();
            *numbers.entry(id.chars().take(start).collect()).or_insert(next)
        };
        ids.iter().map(number).collect()
    }

    /// The pictures that belong together, by the entry of each item named `ids` in the column `column` of a CSV file that
    /// has a column `id`: a number for each item, equal where the entries are.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Data`] where a column is missing, an entry empty, or an item not
    /// listed once.
    pub fn groups(path: impl AsRef<Path>, column: &str, ids: &[&str]) -> Result<Vec<usize>> {
        let path = path.as_ref();
        let table = CsvTable::read(path)?;
        let read = || -> Result<Vec<usize>, String> {
            let (id, group) = (table.column("id")?, table.column(column)?);
            let mut entries: HashMap<&str, &str> = HashMap::new();
            for (line, fields) in table.rows() {
                let (id, group) = (fields[id].as_str(), fields[group].as_str());
                if group.is_empty() {
                    return Err(format!("line {line}: the column {column} is empty"));
                }
                if entries.insert(id, group).is_some() {
                    return Err(format!("line {line}: {id} is listed twice"));
                }
            }
            let mut numbers: HashMap<&str, usize> = HashMap::new();
            let number = |id: &&str| {
                let entry = entries.get(id).ok_or_else(|| format!("does not list {id}"))?;
                let next = numbers.len();
                Ok(*numbers.entry(entry).or_insert(next))
            };
            ids.iter().map(number).collect()
        };
        read().map_err(|message| Error::data(path, message))
    }

    /// Fold `fold` (from 0) of `folds`: what is not for testing is shared out anew, one share for validation and the
    /// others to learn from. `groups` has a number for each item of the data set; items of one number stay together.
    /// The shares hold about as many items each; equal seeds give equal shares.
    ///
    /// # Errors
    /// [`Error::Config`] where there are fewer groups than folds, or no such fold.
    pub fn fold(&self, groups: &[usize], folds: usize, fold: usize, seed: u64) -> Result<Self> {
        let items: Vec<usize> = (0..groups.len()).filter(|item| !self.test.contains(item)).collect();
        let together = grouped(&items, groups, seed);
        if fold >= folds || folds < 2 || together.len() < folds {
            let message = format!("{} groups of pictures make no fold {fold} of {folds}", together.len());
            return Err(Error::Config(message));
        }
        let mut shares = vec![Vec::new(); folds];
        for group in together {
            let least = (0..folds).min_by_key(|share| shares[*share].len()).unwrap_or(0);
            shares[least].extend(group);
        }
        let mut val = shares.swap_remove(fold);
        let mut train = shares.concat();
        val.sort_unstable();
        train.sort_unstable();
        Ok(Self { train, val, test: self.test.clone() })
    }

    /// As [`Self::fractions`] for the items of `groups`, with those of one number in one part: each group goes where most
    /// is missing.
    ///
    /// # Errors
    /// As [`Self::fractions`].
    pub fn grouped_fractions(groups: &[usize], fractions: [f64; 3], seed: u64) -> Result<Self> {
        let all = Self::fractions(groups.len(), fractions, seed)?;
        let wanted = [all.train.len(), all.val.len(), all.test.len()];
        let items: Vec<usize> = (0..groups.len()).collect();
        let mut parts: [Vec<usize>; 3] = Default::default();
        for group in grouped(&items, groups, seed) {
            let missing = |part: usize| wanted[part] as i64 - parts[part].len() as i64;
            let most = [0, 1, 2].into_iter().max_by_key(|part| (missing(*part), 2 - part)).unwrap_or(0);
            parts[most].extend(group);
        }
        let names = ["train", "val", "test"];
        if let Some(part) = (0..3).find(|part| wanted[*part] > 0 && parts[*part].is_empty()) {
            let message = format!("there are too few groups of pictures: the {} part is empty", names[part]);
            return Err(Error::Config(message));
        }
        parts.iter_mut().for_each(|part| part.sort_unstable());
        let [train, val, test] = parts;
        Ok(Self { train, val, test })
    }

    /// An item for testing whose group is not all for testing.
    pub fn straddler(&self, groups: &[usize]) -> Option<usize> {
        let seen: HashSet<usize> = self.train.iter().chain(&self.val).map(|item| groups[*item]).collect();
        self.test.iter().copied().find(|item| seen.contains(&groups[*item]))
    }

    /// Whether a CSV file lists one of `ids` in its column `id`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Data`] where there is no such column.
    pub fn lists_any(path: impl AsRef<Path>, ids: &[&str]) -> Result<bool> {
        let path = path.as_ref();
        let table = CsvTable::read(path)?;
        let id = table.column("id").map_err(|message| Error::data(path, message))?;
        let ids: HashSet<&str> = ids.iter().copied().collect();
        Ok(table.rows().any(|(_, fields)| ids.contains(fields[id].as_str())))
    }

    /// The split of items of which item `i` belongs to `unit_of[i]`, where this is the split of those units.
    #[must_use]
    pub fn of_members(&self, unit_of: &[usize]) -> Self {
        let members = |units: &[usize]| {
            let units: HashSet<usize> = units.iter().copied().collect();
            (0..unit_of.len()).filter(|item| units.contains(&unit_of[*item])).collect()
        };
        Self { train: members(&self.train), val: members(&self.val), test: members(&self.test) }
    }

    /// An item of which others of its unit are in another part.
    pub fn parted(&self, unit_of: &[usize]) -> Option<usize> {
        let mut seen: HashMap<usize, usize> = HashMap::new();
        let parts = [&self.train, &self.val, &self.test].into_iter().enumerate();
        let mut items = parts.flat_map(|(part, items)| items.iter().map(move |item| (part, *item)));
        items.find(|(part, item)| *seen.entry(unit_of[*item]).or_insert(*part) != *part).map(|(_, item)| item)
    }

    /// What a model is judged on: the test part, where there is none the validation part, where there is none either
    /// the training part.
    pub fn judged(&self) -> &[usize] {
        [&self.test, &self.val].into_iter().find(|part| !part.is_empty()).unwrap_or(&self.train)
    }

    /// Splits `n` items at random in the given `[train, val, test]` fractions, which add up to 1. The same
    /// `n`, fractions and seed give the same split. Counts are rounded by largest remainder.
    ///
    /// # Errors
    /// [`Error::Config`] where the fractions are not in 0..=1 or do not add up to 1, or a part whose fraction
    /// is above 0 would be empty.
    pub fn fractions(n: usize, fractions: [f64; 3], seed: u64) -> Result<Self> {
        let sum: f64 = fractions.iter().sum();
        if fractions.iter().any(|f| !(0.0..=1.0).contains(f)) || (sum - 1.0).abs() > 1e-6 {
            let [train, val, test] = fractions;
            let message = format!(
                "the split fractions train {train}, val {val}, test {test} must be 0..1 and add up to 1"
            );
            return Err(Error::Config(message));
        }
        let counts = share(n, fractions);
        for ((name, count), fraction) in ["train", "val", "test"].iter().zip(counts).zip(fractions) {
            if fraction > 0.0 && count == 0 {
                let message =
                    format!("a fraction of {fraction} of {n} items leaves the {name} part empty; raise it");
                return Err(Error::Config(message));
            }
        }
        let mut order: Vec<usize> = (0..n).collect();
        shuffle(&mut order, &mut keyed(Purpose::Split, seed, 0, 0));
        let mut take = |count: usize| {
            let mut part: Vec<usize> = order.drain(..count.min(order.len())).collect();
            part.sort_unstable();
            part
        };
        // The test part is drawn first, so that it stays the same when the other two are shared out anew.
        let test = take(counts[2]);
        let val = take(counts[1]);
        Ok(Self { train: take(counts[0]), val, test })
    }
}

impl Split {
    /// The three series of a generator, one behind the other: so many pictures to learn from, for validation and for
    /// the test.
    pub fn series([train, val, test]: [usize; 3]) -> Self {
        Self {
            train: (0..train).collect(),
            val: (train..train + val).collect(),
            test: (train + val..train + val + test).collect(),
        }
    }

    /// The last sixth of `n` items for the test, the one before for validation, one item at least each: for items that
    /// are independent, where nothing is gained by drawing them.
    pub fn last_sixths(n: usize) -> Self {
        let held_out = (n / 6).max(1);
        Self::series([n.saturating_sub(2 * held_out), held_out, held_out])
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Val,
    Test,
}

/// The id and part of every line.
fn parts(table: &CsvTable) -> Result<Vec<(String, Part)>, String> {
    let (id, part) = (table.column("id")?, table.column("split")?);
    let row = |(line, fields): (u64, &[String])| {
        let part = match fields[part].to_ascii_lowercase().as_str() {
            "train" => Part::Train,
            "val" | "valid" | "validation" => Part::Val,
            "test" => Part::Test,
            other => return Err(format!("line {line}: the split is train, val or test, not '{other}'")),
        };
        Ok((fields[id].clone(), part))
    };
    table.rows().map(row).collect()
}

/// `items` by group, in random order but for the larger groups coming first, which evens shares out.
fn grouped(items: &[usize], groups: &[usize], seed: u64) -> Vec<Vec<usize>> {
    let mut by_group: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    items.iter().for_each(|item| by_group.entry(groups[*item]).or_default().push(*item));
    let mut all: Vec<Vec<usize>> = by_group.into_values().collect();
    shuffle(&mut all, &mut keyed(Purpose::Split, seed, 1, 0));
    all.sort_by_key(|group| std::cmp::Reverse(group.len()));
    all
}

/// Shares `n` out by largest remainder; ties go to the earlier part.
fn share(n: usize, fractions: [f64; 3]) -> [usize; 3] {
    let exact = fractions.map(|f| f * n as f64);
    let mut counts = exact.map(|e| e.floor() as usize);
    let mut by_remainder = [0, 1, 2];
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let left = n.saturating_sub(counts.iter().sum());
    by_remainder.iter().take(left).for_each(|&part| counts[part] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_csv_file_is_matched_by_id() {
        let text = "\u{feff}kind,ID,split\r\nx,b,train\r\n\r\n\"x,y\",a,VAL\r\nz,\"c\",test\r\n";
        let split = Split::parse(text, &["a", "b", "c"]).unwrap();
        assert_eq!(split, Split { train: vec![1], val: vec![0], test: vec![2] });
    }

    #[test]
    fn mistakes_in_a_csv_file_are_named() {
        let fails = |text: &str, part: &str| {
            let message = Split::parse(text, &["a", "b"]).unwrap_err();
            assert!(message.contains(part), "{message}");
        };
        fails("id,split\na,train\nb,val\nzz,test\n", "zz");
        fails("id,split\na,train\n", "b");
        fails("id,split\na,train\na,val\nb,val", "twice");
        fails("id,split\na,train\nb,holdout\n", "holdout");
        fails("id;split\na;train\n", "id;split");
        fails("id,split\na\nb,val", "line 2 has 1");
        fails("", "empty");
        assert!(matches!(Split::from_csv("no/such.csv", &[]), Err(Error::Io { .. })));
    }

    #[test]
    fn folds_cover_everything_once_and_keep_groups_together() {
        let groups: Vec<usize> = (0..40).map(|i| i / 3).collect();
        let base = Split { train: (0..30).collect(), val: (30..36).collect(), test: (36..40).collect() };
        let mut seen = Vec::new();
        for fold in 0..4 {
            let split = base.fold(&groups, 4, fold, 5).unwrap();
            assert_eq!(split, base.fold(&groups, 4, fold, 5).unwrap());
            assert_eq!((split.test.as_slice(), split.train.len() + split.val.len()), (&base.test[..], 36));
            assert!((7..=11).contains(&split.val.len()), "{}", split.val.len());
            assert!(split.val.iter().all(|v| split.train.iter().all(|t| groups[*v] != groups[*t])));
            seen.extend(split.val);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..36).collect::<Vec<_>>());
        assert_ne!(base.fold(&groups, 4, 0, 5).unwrap(), base.fold(&groups, 4, 0, 6).unwrap());
        assert!(base.fold(&groups, 4, 4, 5).is_err() && base.fold(&[0; 40], 4, 0, 5).is_err());
    }

    #[test]
    fn fractions_keep_groups_together() {
        let groups: Vec<usize> = (0..60).map(|i| i % 20).collect();
        let split = Split::grouped_fractions(&groups, [0.7, 0.15, 0.15], 3).unwrap();
        assert_eq!((split.train.len(), split.val.len(), split.test.len()), (42, 9, 9));
        let of = |part: &[usize]| part.iter().map(|i| groups[*i]).collect::<std::collections::BTreeSet<_>>();
        assert!(
            of(&split.train).is_disjoint(&of(&split.val)) && of(&split.val).is_disjoint(&of(&split.test))
        );
        assert!(
            Split::grouped_fractions(&[0; 9], [0.5, 0.5, 0.0], 0).unwrap_err().to_string().contains("empty")
        );
    }

    #[test]
    fn groups_are_numbered_by_how_names_begin() {
        let ids = ["Image_01L", "Image_02L", "Image_01R", "Im", "Bild_ä1x", "Bild_ä1y"];
        assert_eq!(Split::groups_by_name(&ids, 8), [0, 1, 0, 2, 3, 4]);
        assert_eq!(Split::groups_by_name(&ids, 7), [0, 0, 0, 1, 2, 2]);
    }

    #[test]
    fn groups_are_numbered_by_their_entries() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("g.csv");
        std::fs::write(&path, "id,patient\na,x\nb,y\nc,x\n").unwrap();
        assert_eq!(Split::groups(&path, "patient", &["a", "b", "c"]).unwrap(), [0, 1, 0]);
        for (column, ids) in [("patient", &["d"][..]), ("age", &["a"])] {
            assert!(Split::groups(&path, column, ids).is_err());
        }
        for (text, part) in [("id,patient\na,x\na,y\n", "twice"), ("id,patient\na,\n", "empty")] {
            std::fs::write(&path, text).unwrap();
            assert!(Split::groups(&path, "patient", &["a"]).unwrap_err().to_string().contains(part));
        }
        let split = Split { train: vec![0], val: vec![1], test: vec![2, 3] };
        assert_eq!((split.straddler(&[0, 1, 2, 0]), split.straddler(&[0, 0, 1, 1])), (Some(3), None));
    }

    #[test]
    fn fractions_cover_every_item_once() {
        let split = Split::fractions(100, [0.29, 0.57, 0.14], 7).unwrap();
        assert_eq!((split.train.len(), split.val.len(), split.test.len()), (29, 57, 14));
        let mut all = [&split.train[..], &split.val, &split.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(split, Split::fractions(100, [0.29, 0.57, 0.14], 7).unwrap());
        assert_ne!(split, Split::fractions(100, [0.29, 0.57, 0.14], 8).unwrap());
        assert_ne!(split.test, (0..14).collect::<Vec<_>>());
    }

    #[test]
    fn a_part_is_empty_only_where_nothing_was_asked() {
        let split = Split::fractions(5, [0.8, 0.0, 0.2], 0).unwrap();
        assert_eq!((split.train.len(), split.val.len(), split.test.len()), (4, 0, 1));
        assert!(Split::fractions(3, [0.9, 0.05, 0.05], 0).unwrap_err().to_string().contains("val"));
        assert!(Split::fractions(3, [0.9, 0.2, 0.0], 0).is_err());
        assert!(Split::fractions(3, [f64::NAN, 0.5, 0.5], 0).is_err());
        assert!(Split::fractions(0, [1.0, 0.0, 0.0], 0).is_err());
    }
}

//! Which items are for training, validation and testing.

use std::collections::HashMap;
use std::path::Path;

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
        let rows = rows(text)?;
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Val,
    Test,
}

/// The id and part of every line.
fn rows(text: &str) -> Result<Vec<(String, Part)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or("is empty; its first line must name the columns id and split")?;
    let names = fields(header);
    let column = |wanted: &str| {
        let found = names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        found.ok_or_else(|| {
            format!("its first line must name the columns id and split, separated by commas: {header}")
        })
    };
    let (id_at, part_at) = (column("id")?, column("split")?);
    lines
        .map(|(number, line)| {
            let fields = fields(line);
            let field = |at: usize| fields.get(at).ok_or_else(|| format!("line {} is too short", number + 1));
            let part = match field(part_at)?.to_ascii_lowercase().as_str() {
                "train" => Part::Train,
                "val" | "valid" | "validation" => Part::Val,
                "test" => Part::Test,
                other => {
                    return Err(format!(
                        "line {}: the split is train, val or test, not '{other}'",
                        number + 1
                    ));
                }
            };
            Ok((field(id_at)?.clone(), part))
        })
        .collect()
}

/// The fields of a line, without blanks around and without quotes. Commas within quotes do not separate.
fn fields(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            c => out.iter_mut().next_back().into_iter().for_each(|field| field.push(c)),
        }
    }
    out.iter().map(|field| field.trim().to_owned()).collect()
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
        fails("id,split\na\nb,val", "line 2");
        fails("", "empty");
        assert!(matches!(Split::from_csv("no/such.csv", &[]), Err(Error::Io { .. })));
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

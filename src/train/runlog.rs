//! The run's log: `metrics.jsonl` and `metrics.csv`, one line a row, and an event file for TensorBoard, appended as the
//! run goes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::events::Events;
use crate::io::atomic::write_atomic;
pub use crate::metrics::{Phase, Row};
use crate::{Error, Result};

/// The log as JSON lines; what a resumed run is cut back by.
pub const JSON_LINES: &str = "metrics.jsonl";
/// The same rows as a table.
pub const CSV: &str = "metrics.csv";
/// The columns that every row has.
const FIXED: [&str; 3] = ["epoch", "step", "kind"];

/// Appends rows to the log files of a run folder.
///
/// A row is on its way to the disk when [`RunLog::append`] returns. The JSON lines lead: where the two files
/// disagree, say after the process was killed between two writes, the table is made anew from them.
#[derive(Debug)]
pub struct RunLog {
    json_lines: Appender,
    csv: Appender,
    events: Events,
    columns: Vec<String>,
}

/// A file that grows by whole lines.
#[derive(Debug)]
struct Appender {
    path: PathBuf,
    file: File,
    length: u64,
}

impl RunLog {
    /// Opens the log of the run folder `dir`, which is made if need be. With `resume`, rows already there are
    /// kept and added to; without, the log begins empty.
    ///
    /// # Errors
    /// [`Error::Io`] if the files cannot be written; [`Error::Data`] if there are rows and `resume` is not
    /// set, which would lose them, or if the log is damaged.
    pub fn create(dir: impl AsRef<Path>, resume: bool) -> Result<Self> {
        let dir = dir.as_ref();
        if !resume && holds_rows(dir)? {
            let message = "holds the log of a run already; resume it, or choose another folder";
            return Err(Error::data(dir, message));
        }
        Self::resume(dir, u64::MAX)
    }

    /// Opens the log of the run folder `dir` for a run that goes on in epoch `epoch` (from 0): rows of that
    /// epoch and later ones are removed, as an epoch writes its rows when it closes, and so is a last line
    /// that was only half written.
    ///
    /// # Errors
    /// [`Error::Io`] if the files cannot be read or written; [`Error::Data`] if a line other than the last is
    /// damaged, or if only the table is left.
    pub fn resume(dir: impl AsRef<Path>, epoch: u64) -> Result<Self> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let (json_path, csv_path) = (dir.join(JSON_LINES), dir.join(CSV));
        if !json_path.exists() && csv_path.exists() {
            return Err(Error::data(
                csv_path,
                format!("its {JSON_LINES} is missing; restore it or move this away"),
            ));
        }
        let mut rows = Self::read(dir)?;
        rows.retain(|row| row.epoch < epoch);
        let columns = columns_of(&rows);
        write_atomic(&json_path, rows.iter().map(json_line).collect::<String>().as_bytes())?;
        write_atomic(&csv_path, csv_text(&columns, &rows).as_bytes())?;
        let events = Events::create(dir, &rows)?;
        Ok(Self { json_lines: Appender::open(json_path)?, csv: Appender::open(csv_path)?, events, columns })
    }

    /// Reads the rows of the run folder `dir`; none if it has no log. A half-written last line is passed
    /// over.
    ///
    /// # Errors
    /// [`Error::Io`] if the log cannot be read, [`Error::Data`] naming the line if one before the last is
    /// damaged.
    pub fn read(dir: impl AsRef<Path>) -> Result<Vec<Row>> {
        let path = dir.as_ref().join(JSON_LINES);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let bytes = fs::read(&path).map_err(Error::io(&path))?;
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        // A finished file ends in a line break, so that what follows the last one is empty or half a line.
        let Some((_, whole)) = lines.split_last() else { return Ok(Vec::new()) };
        let mut rows = Vec::with_capacity(whole.len());
        for (i, line) in whole.iter().enumerate() {
            match std::str::from_utf8(line).ok().and_then(parse) {
                Some(row) => rows.push(row),
                // After a power failure the end of a file may be there, but not its bytes.
                None if i + 1 == whole.len() => {}
                None => {
                    return Err(Error::data(&path, format!("line {} is damaged; remove it to go on", i + 1)));
                }
            }
        }
        Ok(rows)
    }

    /// Writes one row to all files.
    ///
    /// # Errors
    /// [`Error::Check`] if a key is empty, doubled, reserved, or has other characters than ASCII letters,
    /// digits and `_ . / -`; [`Error::Io`] if the disk refuses, in which case no part of the row stays in the
    /// file that failed.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        check_keys(row)?;
        self.json_lines.append(&json_line(row))?;
        self.events.append(row)?;
        let new: Vec<String> = row
            .values
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !self.columns.contains(key))
            .cloned()
            .collect();
        if new.is_empty() {
            return self.csv.append(&csv_line(&self.columns, row));
        }
        // A new column changes the head of the table, so the table is written anew; this happens once a
        // column.
        let columns = [self.columns.as_slice(), &new].concat();
        let folder = self.json_lines.path.parent().unwrap_or(Path::new(""));
        write_atomic(&self.csv.path, csv_text(&columns, &Self::read(folder)?).as_bytes())?;
        self.csv = Appender::open(self.csv.path.clone())?;
        self.columns = columns;
        Ok(())
    }
}

impl Appender {
    fn open(path: PathBuf) -> Result<Self> {
        let mut file = OpenOptions::new().write(true).open(&path).map_err(Error::io(&path))?;
        let length = file.seek(SeekFrom::End(0)).map_err(Error::io(&path))?;
        Ok(Self { path, file, length })
    }

    fn append(&mut self, line: &str) -> Result<()> {
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Half a line would spoil the next one. If even this fails, the error below is still the one to
            // report.
            let _ =
                self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(Error::io(&self.path)(error));
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

fn holds_rows(dir: &Path) -> Result<bool> {
    let (json_path, csv_path) = (dir.join(JSON_LINES), dir.join(CSV));
    if json_path.exists() {
        return Ok(!RunLog::read(dir)?.is_empty());
    }
    Ok(csv_path.exists())
}

fn check_keys(row: &Row) -> Result<()> {
    let mut seen = BTreeSet::from(FIXED);
    for (key, _) in &row.values {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        if key.is_empty() || !key.chars().all(plain) {
            return Err(Error::Check(format!(
                "log key {key:?}: only ASCII letters, digits and _ . / - are allowed"
            )));
        }
        if !seen.insert(key) {
            return Err(Error::Check(format!("log key {key:?} is reserved, or twice in one row")));
        }
    }
    Ok(())
}

fn json_line(row: &Row) -> String {
    let mut line = format!(r#"{{"epoch":{},"step":{},"kind":"{}""#, row.epoch, row.step, row.phase.name());
    for (key, value) in &row.values {
        line +=
            &if value.is_finite() { format!(r#","{key}":{value:?}"#) } else { format!(r#","{key}":null"#) };
    }
    line + "}\n"
}

/// Reads a line of [`json_line`]. Its keys hold neither commas nor colons, and numbers must come back to the
/// last bit, which a general JSON reader does not promise.
fn parse(line: &str) -> Option<Row> {
    let mut fields = line.trim().strip_prefix('{')?.strip_suffix('}')?.split(',').map(|field| {
        let (key, value) = field.split_once(':')?;
        Some((key.trim().strip_prefix('"')?.strip_suffix('"')?, value.trim()))
    });
    let mut fixed = |name: &str| match fields.next()?? {
        (key, value) if key == name => Some(value),
        _ => None,
    };
    let [epoch, step] = [fixed("epoch")?.parse().ok()?, fixed("step")?.parse().ok()?];
    let phase = match fixed("kind")? {
        "\"train\"" => Phase::Train,
        "\"val\"" => Phase::Val,
        _ => return None,
    };
    let mut row = Row::new(phase, epoch, step);
    for field in fields {
        let (key, value) = field?;
        row = row.with(key, if value == "null" { f64::NAN } else { value.parse().ok()? });
    }
    check_keys(&row).ok().map(|()| row)
}

fn columns_of(rows: &[Row]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (key, _) in rows.iter().flat_map(|row| &row.values) {
        if !columns.contains(key) {
            columns.push(key.clone());
        }
    }
    columns
}

fn csv_text(columns: &[String], rows: &[Row]) -> String {
    let head =
        FIXED.into_iter().chain(columns.iter().map(String::as_str)).collect::<Vec<_>>().join(",") + "\n";
    head + &rows.iter().map(|row| csv_line(columns, row)).collect::<String>()
}

/// A cell is empty where the row has no such number.
fn csv_line(columns: &[String], row: &Row) -> String {
    let mut line = format!("{},{},{}", row.epoch, row.step, row.phase.name());
    for column in columns {
        line += ",";
        line += &match row.get(column) {
            // The JSON lines know no infinity; the table, which may be made from them, says no more.
            Some(value) if value.is_finite() => format!("{value:?}"),
            Some(_) => "NaN".to_owned(),
            None => String::new(),
        };
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(step: u64) -> Row {
        Row::new(Phase::Train, step / 4, step).with("loss", 1.0 / (step as f64 + 3.0)).with("lr", 1e-7)
    }

    fn both(dir: &Path) -> (String, String) {
        (fs::read_to_string(dir.join(JSON_LINES)).unwrap(), fs::read_to_string(dir.join(CSV)).unwrap())
    }

    /// A run of eight steps with a validation every four.
    fn run(log: &mut RunLog, steps: std::ops::RangeInclusive<u64>) {
        for step in steps {
            log.append(&row(step)).unwrap();
            if step % 4 == 0 {
                log.append(&Row::new(Phase::Val, step / 4, step).with("dice", 0.1 * step as f64)).unwrap();
            }
        }
    }

    #[test]
    fn rows_are_written_as_lines_and_as_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::create(folder.path(), false).unwrap();
        run(&mut log, 4..=5);
        let (json, csv) = both(folder.path());
        assert_eq!(json.lines().nth(1), Some(r#"{"epoch":1,"step":4,"kind":"val","dice":0.4}"#));
        assert!(json.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "epoch,step,kind,loss,lr,dice");
        assert_eq!(
            lines[1..],
            ["1,4,train,0.14285714285714285,1e-7,", "1,4,val,,,0.4", "1,5,train,0.125,1e-7,"]
        );
    }

    #[test]
    fn a_resumed_run_leaves_the_bytes_of_an_unbroken_one() {
        let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        run(&mut RunLog::create(whole.path(), false).unwrap(), 1..=8);
        run(&mut RunLog::create(broken.path(), false).unwrap(), 1..=6);
        let mut log = RunLog::resume(broken.path(), 1).unwrap();
        assert_eq!(RunLog::read(broken.path()).unwrap().last().unwrap().step, 3);
        run(&mut log, 4..=8);
        assert_eq!(both(broken.path()), both(whole.path()));
    }

    #[test]
    fn every_half_written_last_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        run(&mut RunLog::create(folder.path(), false).unwrap(), 1..=3);
        let (json, csv) = both(folder.path());
        let kept = json.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
        for cut in kept.len()..json.len() {
            fs::write(folder.path().join(JSON_LINES), &json[..cut]).unwrap();
            fs::write(folder.path().join(CSV), &csv[..csv.len() - 3]).unwrap();
            RunLog::create(folder.path(), true).unwrap();
            assert_eq!(both(folder.path()).0, kept, "cut at {cut}");
            assert_eq!(both(folder.path()).1.lines().count(), 3);
        }
        fs::write(folder.path().join(JSON_LINES), [kept.as_bytes(), &[0; 9], b"\n"].concat()).unwrap();
        assert_eq!(RunLog::read(folder.path()).unwrap().len(), 2);
    }

    #[test]
    fn rows_are_not_lost_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        run(&mut RunLog::create(folder.path(), false).unwrap(), 1..=3);
        let before = both(folder.path());
        assert!(matches!(RunLog::create(folder.path(), false), Err(Error::Data { .. })));
        assert_eq!(both(folder.path()), before);
        fs::write(folder.path().join(JSON_LINES), before.0.replacen("\"step\":2", "\"step\":x", 1)).unwrap();
        assert!(RunLog::resume(folder.path(), 9).unwrap_err().to_string().contains("line 2"));
        fs::remove_file(folder.path().join(JSON_LINES)).unwrap();
        assert!(RunLog::resume(folder.path(), 9).unwrap_err().to_string().contains("missing"));
        assert_eq!(both_csv(folder.path()), before.1);
    }

    fn both_csv(dir: &Path) -> String {
        fs::read_to_string(dir.join(CSV)).unwrap()
    }

    #[test]
    fn numbers_come_back_to_the_last_bit_and_nan_as_nan() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::create(folder.path(), false).unwrap();
        let values = [0.1 + 0.2, 5e-324, f64::MAX, -0.0, f64::from(0.1f32), 1e22, f64::NAN, f64::INFINITY];
        for value in values {
            log.append(&Row::new(Phase::Val, 0, 1).with("x", value)).unwrap();
        }
        for (row, value) in RunLog::read(folder.path()).unwrap().iter().zip(values) {
            let got = row.get("x").unwrap();
            assert!(
                got.to_bits() == value.to_bits() || (got.is_nan() && !value.is_finite()),
                "{got} {value}"
            );
        }
        let before = both(folder.path());
        RunLog::create(folder.path(), true).unwrap();
        assert_eq!(both(folder.path()), before);
    }

    #[test]
    fn odd_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RunLog::create(folder.path(), false).unwrap();
        for key in ["", "a,b", "a\"", "a:b", "step", "ä"] {
            assert!(log.append(&row(1).with(key, 1.0)).is_err(), "{key:?}");
        }
        assert!(log.append(&row(1).with("loss", 1.0)).is_err());
        assert!(RunLog::read(folder.path()).unwrap().is_empty());
    }
}

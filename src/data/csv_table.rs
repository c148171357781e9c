//! Tables in CSV files: a header, and rows of which some columns matter.

use std::path::Path;

use crate::{Error, Result};

/// A table with its header.
#[derive(Debug, Clone)]
pub(crate) struct CsvTable {
    columns: Vec<String>,
    /// Line in the file, and fields.
    rows: Vec<(u64, Vec<String>)>,
}

impl CsvTable {
    /// Reads a file. Fields lose the blanks around them.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, [`Error::Data`] where it is no CSV.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        Self::parse(&text).map_err(|message| Error::data(path, message))
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        // The reader counts lines by line feeds alone.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let columns: Vec<String> =
            reader.headers().map_err(|e| e.to_string())?.iter().map(str::to_owned).collect();
        if columns.is_empty() {
            return Err("is empty; its first line must name the columns".into());
        }
        let mut rows = Vec::new();
        for row in reader.records() {
            let row = row.map_err(|e| match e.kind() {
                csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
                    let line = pos.as_ref().map_or(0, csv::Position::line);
                    format!("line {line} has {len} fields, the header {expected_len}")
                }
                _ => e.to_string(),
            })?;
            let line = row.position().map_or(0, csv::Position::line);
            rows.push((line, row.iter().map(str::to_owned).collect()));
        }
        Ok(Self { columns, rows })
    }

    /// The place of a column, its name in any case.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }

    /// As [`Self::find`].
    ///
    /// # Errors
    /// Where there is no such column, with the header.
    pub fn column(&self, name: &str) -> Result<usize, String> {
        self.find(name).ok_or_else(|| {
            format!(
                "its first line names no column {name:?}, separated by commas: {}",
                self.columns.join(",")
            )
        })
    }

    /// Line numbers, for messages, and fields.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &[String])> {
        self.rows.iter().map(|(line, fields)| (*line, fields.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_blanks_and_empty_lines() {
        let table = CsvTable::parse("\u{feff}kind, ID\r\n\"x, \"\"y\"\"\" , b\r\n").unwrap();
        assert_eq!((table.find("id"), table.find("KIND"), table.find("mask")), (Some(1), Some(0), None));
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows, [(2, &["x, \"y\"".to_owned(), "b".to_owned()][..])]);
    }

    #[test]
    fn mistakes_are_named() {
        assert!(CsvTable::parse("").unwrap_err().contains("empty"));
        assert!(CsvTable::parse("a,b\n1\n").unwrap_err().contains("line 2 has 1"));
        assert!(CsvTable::parse("a;b\n").unwrap().column("a").unwrap_err().contains("a;b"));
    }
}

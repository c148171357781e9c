//! Pictures from the easiest to the hardest, and the file that says so.

use std::{collections::BTreeMap, path::Path};

use super::{Dataset, csv_table::CsvTable, fit::Crop, name_some};
use crate::{
    Error, Result,
    io::{atomic::write_atomic, csv::csv_line},
};

/// Names of pictures, easiest first, with how difficult each was found where that was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranking {
    /// Names within the data set, and difficulties.
    pub pictures: Vec<(String, Option<f64>)>,
}

impl Ranking {
    /// Sorts pictures by their difficulty; of equal ones the first stays first.
    pub fn by_difficulty(mut measured: Vec<(String, f64)>) -> Self {
        measured.sort_by(|a, b| a.1.total_cmp(&b.1));
        Self { pictures: measured.into_iter().map(|(id, difficulty)| (id, Some(difficulty))).collect() }
    }

    /// Reads a CSV file with a column `id`, its rows from the easiest to the hardest; a column `difficulty` is taken
    /// where there is one, others are passed over.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Data`] where it is no such table or names a picture twice.
    pub fn read(path: &Path) -> Result<Self> {
        let table = CsvTable::read(path)?;
        let fail = |message: String| Error::data(path, message);
        let (id, difficulty) = (table.column("id").map_err(fail)?, table.find("difficulty"));
        let mut lines = BTreeMap::new();
        let mut pictures = Vec::new();
        for (line, row) in table.rows() {
            if let Some(before) = lines.insert(row[id].clone(), line) {
                return Err(fail(format!("lines {before} and {line} both name {:?}", row[id])));
            }
            let measured = difficulty.map(|column| row[column].as_str()).filter(|text| !text.is_empty());
            let measured = measured.map(|text| {
                let number = text.parse::<f64>().ok().filter(|v| v.is_finite());
                number.ok_or_else(|| fail(format!("line {line}: the difficulty {text:?} is no number")))
            });
            pictures.push((row[id].clone(), measured.transpose()?));
        }
        Ok(Self { pictures })
    }

    /// Writes what [`Self::read`] reads, to the last bit.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let row = |(rank, (id, difficulty)): (usize, &(String, Option<f64>))| {
            let difficulty = difficulty.map(|v| v.to_string()).unwrap_or_default();
            csv_line([(rank + 1).to_string(), id.clone(), difficulty])
        };
        let rows: String = self.pictures.iter().enumerate().map(row).collect();
        write_atomic(path, ("rank,id,difficulty\n".to_owned() + &rows).as_bytes())
    }

    /// The places of `items` in the ranking: the items, easiest first. What the ranking names beside them is passed over.
    ///
    /// # Errors
    /// [`Error::Config`] naming items that it lacks.
    pub fn items(&self, dataset: &dyn Dataset, items: &[usize]) -> Result<Vec<usize>> {
        let ranks: BTreeMap<&str, usize> =
            self.pictures.iter().enumerate().map(|(rank, (id, _))| (id.as_str(), rank)).collect();
        let missing: Vec<&str> =
            items.iter().map(|i| dataset.id(*i)).filter(|id| !ranks.contains_key(id)).collect();
        if !missing.is_empty() {
            let message = format!(
                "the ranking lacks {} of the training pictures: {}",
                missing.len(),
                name_some(&missing)
            );
            return Err(Error::Config(message));
        }
        let mut sorted = items.to_vec();
        sorted.sort_by_key(|i| ranks[dataset.id(*i)]);
        Ok(sorted)
    }

    /// The places in `crops` of the windows, those of the easiest picture first.
    ///
    /// # Errors
    /// As [`Self::items`].
    pub fn windows(&self, dataset: &dyn Dataset, crops: &[Crop]) -> Result<Vec<usize>> {
        let mut items: Vec<usize> = crops.iter().map(|crop| crop.item).collect();
        items.dedup();
        let sorted = self.items(dataset, &items)?;
        let place: BTreeMap<usize, usize> =
            sorted.into_iter().enumerate().map(|(rank, item)| (item, rank)).collect();
        let mut windows: Vec<usize> = (0..crops.len()).collect();
        windows.sort_by_key(|w| place[&crops[*w].item]);
        Ok(windows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ShapesDataset, ShapesOptions};

    #[test]
    fn rankings_are_written_read_and_applied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranking.csv");
        let options = ShapesOptions { size: 16, channels: 1, count: 4, ..ShapesOptions::default() };
        let data = ShapesDataset::new(options).unwrap();
        let id = |i: usize| data.id(i).to_owned();
        let ranking = Ranking::by_difficulty(vec![(id(0), 0.1 + 0.2), (id(2), 0.1), (id(3), 1e-300)]);
        ranking.write(&path).unwrap();
        assert_eq!(Ranking::read(&path).unwrap(), ranking);
        assert_eq!(ranking.items(&data, &[0, 2, 3]).unwrap(), [3, 2, 0]);
        let missing = ranking.items(&data, &[0, 1]).unwrap_err().to_string();
        assert!(missing.contains("lacks 1") && missing.contains(data.id(1)), "{missing}");
        let crop = |item, x| Crop { item, x, y: 0 };
        let crops = [crop(0, 0), crop(0, 8), crop(3, 0), crop(2, 0)];
        assert_eq!(ranking.windows(&data, &crops).unwrap(), [2, 3, 0, 1]);
    }

    #[test]
    fn lists_by_hand_need_names_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Ranking::read(&path)
        };
        let ids = |r: Ranking| r.pictures.into_iter().map(|p| p.0).collect::<Vec<_>>();
        assert_eq!(ids(read("id\nb\na\n").unwrap()), ["b", "a"]);
        assert!(read("name\nb\n").unwrap_err().to_string().contains("id"));
        assert!(read("id\nb\nb\n").unwrap_err().to_string().contains("both name \"b\""));
        assert!(read("id,difficulty\nb,hard\n").unwrap_err().to_string().contains("hard"));
    }
}

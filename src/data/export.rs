//! Writing the shapes as a folder, for whoever wants to look at them or read them elsewhere.

use std::fmt::Write as _;
use std::path::Path;

use super::coding::MaskCoding;
use super::sample::Dataset;
use super::shapes::{ShapesDataset, ShapesOptions};
use crate::{Error, Result};

impl ShapesDataset {
    /// Writes the first `n` samples to `dir`: `images/` and `masks/` (8-bit PNG; masks 0 and 255 for two
    /// classes, class indices otherwise), `split.csv` (a sixth each for validation and test, at least one)
    /// and `about.json` with the seed.
    ///
    /// # Errors
    /// [`Error::Config`] where `n` is below 3 or above the number of samples; [`Error::Data`] where `dir`
    /// already holds pictures, which would mix with the new ones; [`Error::Io`] where writing fails.
    pub fn write_folder(&self, dir: impl AsRef<Path>, n: usize) -> Result<()> {
        let dir = dir.as_ref();
        if n < 3 || n > self.len() {
            return Err(Error::Config(format!("{n} shapes to write: at least 3, at most {}", self.len())));
        }
        let (images, masks) = (dir.join("images"), dir.join("masks"));
        for part in [&images, &masks] {
            std::fs::create_dir_all(part).map_err(Error::io(part))?;
            if std::fs::read_dir(part).map_err(Error::io(part))?.next().is_some() {
                return Err(Error::data(part, "is not empty; choose another folder or empty it"));
            }
        }
        let coding = if self.classes() == 2 { MaskCoding::Binary0_255 } else { MaskCoding::Indices };
        for i in 0..n {
            let sample = self.load(i)?;
            let name = format!("{}.png", sample.id);
            sample.picture.write_png(images.join(&name))?;
            sample.mask.write_png(masks.join(&name), &coding)?;
        }
        let split = dir.join("split.csv");
        std::fs::write(&split, self.split_csv(n)).map_err(Error::io(&split))?;
        let about = dir.join("about.json");
        std::fs::write(&about, self.about(n)).map_err(Error::io(&about))
    }

    /// The last samples are held out; samples are independent, so nothing is gained by drawing them.
    fn split_csv(&self, n: usize) -> String {
        let held_out = (n / 6).max(1);
        let mut text = String::from("id,split\n");
        for i in 0..n {
            let part = match n - i {
                left if left <= held_out => "test",
                left if left <= 2 * held_out => "val",
                _ => "train",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{},{part}", self.id(i));
        }
        text
    }

    fn about(&self, n: usize) -> String {
        let ShapesOptions { size, classes, channels, seed, .. } = self.options();
        let numbers = format!(r#""seed": {seed}, "count": {n}, "size": {size}, "classes": {classes}"#);
        format!("{{\"generator\": \"shapes\", {numbers}, \"channels\": {channels}}}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FolderDataset, FolderOptions, Split};
    use super::*;

    #[test]
    fn an_exported_folder_opens_as_the_same_data_set() {
        for classes in [2, 4] {
            let dir = tempfile::tempdir().unwrap();
            let options = ShapesOptions { classes, size: 24, count: 8, seed: 11, ..ShapesOptions::default() };
            let shapes = ShapesDataset::new(options).unwrap();
            shapes.write_folder(dir.path(), 7).unwrap();
            let folder = FolderOptions { classes, channels: 1, ..FolderOptions::new(dir.path()) };
            let folder = FolderDataset::open(&folder).unwrap();
            assert_eq!((folder.len(), folder.warnings.len()), (7, 0));
            for i in 0..7 {
                let (ours, theirs) = (shapes.load(i).unwrap(), folder.load(i).unwrap());
                assert_eq!((&ours.id, &ours.mask), (&theirs.id, &theirs.mask));
                let pairs = ours.picture.data.iter().zip(&theirs.picture.data);
                assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 0.5 / 255.0 + 1e-6));
            }
            let split = Split::from_csv(dir.path().join("split.csv"), &folder.ids()).unwrap();
            assert_eq!((split.train.len(), split.val, split.test), (5, vec![5], vec![6]));
            let about = std::fs::read_to_string(dir.path().join("about.json")).unwrap();
            assert!(about.contains("\"seed\": 11") && about.ends_with("}\n"), "{about}");
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let shapes =
            ShapesDataset::new(ShapesOptions { size: 16, count: 3, ..ShapesOptions::default() }).unwrap();
        assert!(shapes.write_folder(dir.path(), 2).is_err());
        assert!(shapes.write_folder(dir.path(), 4).is_err());
        shapes.write_folder(dir.path(), 3).unwrap();
        assert!(matches!(shapes.write_folder(dir.path(), 3), Err(Error::Data { .. })));
    }
}

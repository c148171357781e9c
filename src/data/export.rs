//! Writing generated pictures as a folder, for whoever wants to look at them or read them elsewhere.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::angiography::AngiographyDataset;
use super::coding::MaskCoding;
use super::noise::PixelNoise;
use super::normalise::Normalise;
use super::polygons::PolygonsDataset;
use super::sample::Dataset;
use super::shapes::ShapesDataset;
use super::split::Split;
use crate::{Error, Result};

/// What is written, and how.
pub struct Export<'a> {
    /// Where pictures and masks come from.
    pub dataset: &'a dyn Dataset,
    /// What they are for. Those in no part are not written.
    pub split: &'a Split,
    /// What `about.json` tells; what noise there is joins it.
    pub about: Value,
    /// Noise that is added to the pictures, the same whenever they are written. Each picture is then scaled from its
    /// least value to its largest, since a file holds nothing below black or above white.
    pub noise: Option<PixelNoise>,
}

impl Export<'_> {
    /// Writes to `dir`: `images/` and `masks/` (8-bit PNG; masks 0 and 255 for two classes, class indices otherwise),
    /// `split.csv`, and `about.json`. A data set of kind "folder" reads it.
    ///
    /// # Errors
    /// [`Error::Data`] where `dir` already holds pictures, which would mix with the new ones; [`Error::Io`] where
    /// writing fails.
    pub fn write(&self, dir: impl AsRef<Path>) -> Result<()> {
        let dir = dir.as_ref();
        let (images, masks) = (dir.join("images"), dir.join("masks"));
        for part in [&images, &masks] {
            std::fs::create_dir_all(part).map_err(Error::io(part))?;
            if std::fs::read_dir(part).map_err(Error::io(part))?.next().is_some() {
                return Err(Error::data(part, "is not empty; choose another folder or empty it"));
            }
        }
        let coding = if self.dataset.classes() == 2 { MaskCoding::Binary0_255 } else { MaskCoding::Indices };
        let mut csv = String::from("id,split\n");
        for (part, items) in
            [("train", &self.split.train), ("val", &self.split.val), ("test", &self.split.test)]
        {
            for &i in items {
                let mut sample = self.dataset.load(i)?;
                if let Some(noise) = &self.noise {
                    noise.fixed(&sample.id).add(&mut sample.picture);
                    Normalise::MinMax.apply(&mut sample.picture)?;
                }
                let name = format!("{}.png", sample.id);
                sample.picture.write_png(images.join(&name))?;
                sample.mask.write_png(masks.join(&name), &coding)?;
                // Writing to a string cannot fail.
                let _ = writeln!(csv, "{},{part}", sample.id);
            }
        }
        let split = dir.join("split.csv");
        std::fs::write(&split, csv).map_err(Error::io(&split))?;
        let about = dir.join("about.json");
        let text = serde_json::to_string_pretty(&self.whole_about())
            .map_err(|e| Error::Check(format!("about.json: {e}")))?;
        std::fs::write(&about, text + "\n").map_err(Error::io(&about))
    }

    fn whole_about(&self) -> Value {
        let mut about = self.about.clone();
        if let (Some(noise), Value::Object(all)) = (&self.noise, &mut about) {
            all.insert("noise".to_owned(), json!(f64::from(noise.deviation)));
            all.insert("noise_seed".to_owned(), json!(noise.seed));
        }
        about
    }
}

impl ShapesDataset {
    /// Writes the first `n` samples to `dir` as [`Export`] does, a sixth each for validation and test, at least one.
    ///
    /// # Errors
    /// [`Error::Config`] where `n` is below 3 or above the number of samples; as [`Export::write`].
    pub fn write_folder(&self, dir: impl AsRef<Path>, n: usize) -> Result<()> {
        if n < 3 || n > self.len() {
            return Err(Error::Config(format!("{n} shapes to write: at least 3, at most {}", self.len())));
        }
        let mut about = self.about();
        about["count"] = json!(n);
        Export { dataset: self, split: &Split::last_sixths(n), about, noise: None }.write(dir)
    }

    /// What these pictures were made with.
    pub fn about(&self) -> Value {
        let o = self.options();
        json!({
            "generator": "shapes", "seed": o.seed, "count": o.count, "val": o.val, "test": o.test,
            "size": o.size, "scale": f64::from(o.scale), "channels": o.channels, "classes": o.classes,
        })
    }
}

impl PolygonsDataset {
    /// What these pictures were made with.
    pub fn about(&self) -> Value {
        let o = self.options();
        json!({
            "generator": "polygons", "seed": o.seed, "count": o.count, "val": o.val, "test": o.test,
            "size": o.size, "channels": o.channels, "classes": self.classes(), "sides": o.sides,
            "irregular": f64::from(o.irregular),
        })
    }
}

impl AngiographyDataset {
    /// What these pictures were made with.
    pub fn about(&self) -> Value {
        let o = self.options();
        json!({
            "generator": "angiography", "note": "synthetic: drawn, not of any patient",
            "seed": o.seed, "count": o.count, "val": o.val, "test": o.test,
            "size": o.size, "channels": o.channels, "classes": self.classes(),
            "class_names": ["background", "catheter", "vessel"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FolderDataset, FolderOptions, PolygonsOptions, Sample, ShapesOptions};
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
            assert!(about.contains("\"count\": 7"), "{about}");
        }
    }

    #[test]
    fn noise_is_in_the_files_and_in_their_description() {
        let dir = tempfile::tempdir().unwrap();
        let options = PolygonsOptions { size: 32, count: 3, val: 1, test: 2, ..PolygonsOptions::default() };
        let polygons = PolygonsDataset::new(options).unwrap();
        let noise = PixelNoise { deviation: 0.5, seed: 9 };
        let split = Split::series([3, 1, 2]);
        Export { dataset: &polygons, split: &split, about: polygons.about(), noise: Some(noise) }
            .write(dir.path())
            .unwrap();
        let folder = FolderOptions { classes: 15, channels: 1, ..FolderOptions::new(dir.path()) };
        let folder = FolderDataset::open(&folder).unwrap();
        let parts = Split::from_csv(dir.path().join("split.csv"), &folder.ids()).unwrap();
        assert_eq!((parts.train.len(), parts.val.len(), parts.test.len()), (3, 1, 2));
        let all: Vec<Sample> = (0..6).map(|i| folder.load(i).unwrap()).collect();
        for (i, item) in (0..6).map(|i| (i, polygons.load(i).unwrap())) {
            let written = all.iter().find(|s| s.id == item.id).unwrap_or_else(|| panic!("picture {i}"));
            assert_eq!(written.mask, item.mask);
            let mut noisy = item.picture;
            noise.fixed(&item.id).add(&mut noisy);
            Normalise::MinMax.apply(&mut noisy).unwrap();
            let pairs = noisy.data.iter().zip(&written.picture.data);
            assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 0.5 / 255.0 + 1e-6));
        }
        let about: Value =
            serde_json::from_slice(&std::fs::read(dir.path().join("about.json")).unwrap()).unwrap();
        assert_eq!(
            (&about["noise"], &about["noise_seed"], &about["test"]),
            (&json!(0.5), &json!(9), &json!(2))
        );
        assert_eq!(about["sides"].as_array().map(Vec::len), Some(14));
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

//! From config keys to pictures and their split.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Data,
    config::{self, Config, DataConfig, DataKind, Size},
};
use crate::{
    Error, Result,
    data::{
        AngiographyDataset, AngiographyOptions, Axis, Dataset, FolderDataset, FolderOptions, MaskCoding,
        ObjectsDataset, PolygonsDataset, PolygonsOptions, Resized, ShapesDataset, ShapesOptions, Split,
        VolumeOptions,
    },
};

/// Opens the pictures that a config names.
///
/// # Errors
/// [`Error::Data`] and [`Error::Config`] naming the offending file or key.
pub(super) fn data(config: &Config) -> Result<Data> {
    let (data, classes) = (&config.data, config.model.classes.max(2));
    let mut warnings = Vec::new();
    let dataset: Arc<dyn Dataset> = match data.kind {
        DataKind::Shapes | DataKind::Polygons | DataKind::Angiography => drawn(config, classes)?,
        DataKind::Folder | DataKind::List | DataKind::Objects if data.root.as_os_str().is_empty() => {
            return Err(Error::Config(
                "data.root names no folder; set it to the one that holds the pictures".into(),
            ));
        }
        DataKind::Objects if classes > 2 => {
            return Err(Error::Config(
                "data.kind = \"objects\" knows no classes; model.classes must be 1 or 2".into(),
            ));
        }
        DataKind::Objects => {
            let objects = ObjectsDataset::open(&data.root, data.channels)?;
            warnings.extend(objects.warnings.iter().cloned());
            Arc::new(objects)
        }
        DataKind::Folder | DataKind::List => {
            let options = FolderOptions {
                images: data.images.clone(),
                masks: data.masks.clone(),
                mask_pattern: (!data.mask_pattern.is_empty()).then(|| data.mask_pattern.clone()),
                channels: data.channels,
                classes,
                coding: coding(data),
                volumes: volumes(data),
                ..FolderOptions::new(&data.root)
            };
            let folder = match data.kind {
                DataKind::List => FolderDataset::listed(&beside(data, &data.list), &options)?,
                _ => FolderDataset::open(&options)?,
            };
            warnings.extend(folder.warnings.iter().cloned());
            Arc::new(folder)
        }
    };
    let dataset: Arc<dyn Dataset> = match data.resized() {
        Some(Size { height, width }) => Arc::new(Resized::new(dataset, width, height)),
        None => dataset,
    };
    let split = split(config, &*dataset, &mut warnings)?;
    Ok(Data { learnt: dataset.clone(), dataset, split, warnings })
}

/// The pictures of a generator.
fn drawn(config: &Config, classes: usize) -> Result<Arc<dyn Dataset>> {
    let data = &config.data;
    let (size, channels, seed) = (data.drawn_size(), data.channels, data.shapes_seed);
    let [count, val, test] = series(data)?;
    Ok(match data.kind {
        DataKind::Polygons => {
            let (sides, irregular) = (data.sides.clone(), data.irregular as f32);
            let options = PolygonsOptions { size, sides, irregular, channels, count, val, test, seed };
            Arc::new(PolygonsDataset::new(options)?)
        }
        DataKind::Angiography => {
            let options = AngiographyOptions { size, channels, count, val, test, seed };
            Arc::new(AngiographyDataset::new(options)?)
        }
        _ => {
            let scale = data.shapes_scale as f32;
            let options = ShapesOptions { size, scale, classes, channels, count, val, test, seed };
            Arc::new(ShapesDataset::new(options)?)
        }
    })
}

/// How many pictures of each series are drawn. Where the test is apart, so are training and validation, that a change
/// of their number leaves their first pictures as they are.
fn series(data: &DataConfig) -> Result<[usize; 3]> {
    if data.shapes_test == 0 {
        return Ok([data.shapes_count, 0, 0]);
    }
    // Of the parts only their sizes are used.
    let parts = Split::fractions(data.shapes_count, [1.0 - data.val_fraction, data.val_fraction, 0.0], 0)?;
    Ok([parts.train.len(), parts.val.len(), data.shapes_test])
}

/// How volumes and DICOM files are taken.
pub fn volumes(data: &DataConfig) -> VolumeOptions {
    let axis = match data.axis {
        config::AxisName::X => Axis::X,
        config::AxisName::Y => Axis::Y,
        config::AxisName::Z => Axis::Z,
    };
    VolumeOptions { axis, modalities: data.modalities.clone(), range: data.range }
}

/// The numbers of the classes in the volumes that are written: those of the data set's masks where they are gray values,
/// else the classes' own.
pub fn written_labels(config: &Config) -> Vec<u8> {
    let classes = config.model.classes.max(2);
    let gray = |c: &[u8; 3]| (c[0] == c[1] && c[1] == c[2]).then_some(c[0]);
    let coded = config.data.mask_coding == config::MaskCoding::Colours;
    let gray: Option<Vec<u8>> = coded.then(|| config.data.colours.iter().map(gray).collect()).flatten();
    gray.unwrap_or_else(|| (0..=255).take(classes).collect())
}

fn coding(data: &DataConfig) -> MaskCoding {
    match data.mask_coding {
        config::MaskCoding::Auto => MaskCoding::Auto,
        config::MaskCoding::Labels => MaskCoding::Indices,
        config::MaskCoding::Nonzero => MaskCoding::Nonzero,
        config::MaskCoding::Colours => {
            MaskCoding::Colours(data.colours.iter().enumerate().map(|(i, c)| (*c, i as u8)).collect())
        }
    }
}

/// How predicted masks are written: as the data set's, where the config says how those are.
pub fn written_coding(config: &Config) -> MaskCoding {
    match coding(&config.data) {
        MaskCoding::Auto | MaskCoding::Nonzero if config.model.classes <= 2 => MaskCoding::Binary0_255,
        MaskCoding::Auto => MaskCoding::Indices,
        given => given,
    }
}

/// The parts. What belongs together, as the slices of a volume, stays so, unless the CSV file names the slices one by one.
fn split(config: &Config, dataset: &dyn Dataset, warnings: &mut Vec<String>) -> Result<Split> {
    let ids: Vec<&str> = (0..dataset.len()).map(|i| dataset.id(i)).collect();
    let mut names: Vec<&str> = Vec::new();
    let mut unit_of: Vec<usize> = Vec::with_capacity(ids.len());
    let mut known: HashMap<&str, usize> = HashMap::new();
    for unit in (0..dataset.len()).map(|i| dataset.unit(i)) {
        unit_of.push(*known.entry(unit).or_insert_with(|| {
            names.push(unit);
            names.len() - 1
        }));
    }
    let table = &config.data.split;
    let one_by_one = names.len() < ids.len()
        && !table.as_os_str().is_empty()
        && Split::lists_any(beside(&config.data, table), &ids)?;
    if !one_by_one {
        return Ok(cut(config, &names)?.of_members(&unit_of));
    }
    let split = cut(config, &ids)?;
    if let Some(item) = split.parted(&unit_of) {
        let unit = dataset.unit(item);
        let file = table.display();
        warnings.push(format!(
            "{file} puts slices of {unit} into several parts: scores on them are not of a volume that was never seen"
        ));
    }
    Ok(split)
}

/// Cuts what is named `ids` into parts.
fn cut(config: &Config, ids: &[&str]) -> Result<Split> {
    let data = &config.data;
    // Folds of one data set are of one cut, and spare one test part, whatever the seed of the run.
    let seed = if data.folds > 0 { data.fold_seed } else { config.train.seed };
    let table = (!data.split.as_os_str().is_empty()).then(|| beside(data, &data.split));
    let groups = match (&table, data.group_start) {
        (Some(table), _) if !data.group.is_empty() => Some(Split::groups(table, &data.group, ids)?),
        (_, 0) => None,
        (_, start) => Some(alike(ids, start)?),
    };
    let fractions = [1.0 - data.val_fraction - data.test_fraction, data.val_fraction, data.test_fraction];
    let split = match (&table, &groups) {
        // What lacks the column `split` may be there for its groups alone.
        (Some(table), _) if data.group.is_empty() || Split::names_parts(table)? => {
            Split::from_csv(table, ids)?
        }
        (_, Some(groups)) => Split::grouped_fractions(groups, fractions, seed)?,
        _ if data.kind.is_drawn() && data.shapes_test > 0 => Split::series(series(data)?),
        _ => Split::fractions(ids.len(), fractions, seed)?,
    };
    if let Some(item) = groups.as_ref().and_then(|groups| split.straddler(groups)) {
        let id = ids[item];
        let others = match data.group.as_str() {
            "" => {
                format!("whose names begin with the same {} characters (data.group_start)", data.group_start)
            }
            group => format!("of its {group}"),
        };
        let message = format!("{id} is for testing, and others {others} are not; mend the column split");
        return Err(Error::Config(message));
    }
    if data.folds == 0 {
        return Ok(split);
    }
    split.fold(&groups.unwrap_or_else(|| (0..ids.len()).collect()), data.folds, data.fold, data.fold_seed)
}

/// Groups of what is named alike, of which there must be some: a beginning that is too long would take pictures apart that were
/// to stay together.
fn alike(ids: &[&str], start: usize) -> Result<Vec<usize>> {
    let groups = Split::groups_by_name(ids, start);
    if ids.len() > 1 && groups.iter().max() == Some(&(ids.len() - 1)) {
        let message =
            format!("data.group_start is {start}, and no two names begin with the same {start} characters");
        return Err(Error::Config(message));
    }
    Ok(groups)
}

/// A file beside the pictures, which is the usual case, or from the working folder.
fn beside(data: &DataConfig, file: &Path) -> PathBuf {
    let beside = data.root.join(file);
    if beside.is_file() { beside } else { file.to_path_buf() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 8] = ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"];

    fn config(data: &str) -> Config {
        Config::from_toml(&format!("[data]\nroot = \"x\"\n{data}"), &[]).unwrap()
    }

    #[test]
    fn names_that_begin_alike_stay_together() {
        for seed in 0..8 {
            let mut config = config("group_start = 1\nval_fraction = 0.25\ntest_fraction = 0.25");
            config.train.seed = seed;
            for folds in [0, 3] {
                config.data.folds = folds;
                let split = cut(&config, &IDS).unwrap();
                for part in [&split.train, &split.val, &split.test] {
                    assert!(
                        !part.is_empty()
                            && part.chunks(2).all(|pair| pair[0] % 2 == 0 && pair[1] == pair[0] + 1)
                    );
                }
            }
        }
        let apart = cut(&config("group_start = 2"), &IDS).unwrap_err().to_string();
        assert!(apart.contains("data.group_start is 2"), "{apart}");
    }

    #[test]
    fn a_table_is_not_passed_over_for_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.csv");
        let config = config(&format!("group_start = 1\nsplit = '{}'", path.display()));
        let table = |heading: &str, test: usize| {
            let rows: Vec<String> =
                (0..8).map(|i| format!("{},{}", IDS[i], if i >= test { "test" } else { "train" })).collect();
            std::fs::write(&path, format!("id,{heading}\n{}\n", rows.join("\n"))).unwrap();
            cut(&config, &IDS).map_err(|e| e.to_string())
        };
        assert_eq!(table("split", 6).unwrap().test, [6, 7]);
        let parted = table("split", 5).unwrap_err();
        assert!(parted.contains("c2 is for testing") && parted.contains("same 1 characters"), "{parted}");
        assert!(table("part", 6).unwrap_err().contains("split"));
    }
}

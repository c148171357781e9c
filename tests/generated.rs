//! Pictures drawn by seed: in memory, as a folder, by the device.
#![cfg(feature = "cli")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{folder, run, succeed};
use gyre::train::{Data, Setup, config::Config};

/// Every file below a folder, by its path from there.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut all, mut folders) = (BTreeMap::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                all.insert(path.strip_prefix(root).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    all
}

fn open(keys: &[&str]) -> (Config, Data) {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let config =
        Config::from_toml("[model]\nin_channels = 1\n[data]\nchannels = 1\nsize = 32", &keys).unwrap();
    let data = Setup::new(&config).unwrap().open_data(&config).unwrap();
    (config, data)
}

const POLYGONS: [&str; 2] = ["data.kind=polygons", "model.classes=15"];

#[test]
fn the_device_draws_the_same_files() {
    let folder = folder();
    let here = folder.path();
    for (name, more) in [("host", &[][..]), ("device", &["--on-device"])] {
        let draw = ["shapes", name, "--kind", "polygons", "--count", "30", "--size", "77", "--seed", "5"];
        succeed(
            here,
            &[&draw[..], &["--channels", "3", "--noise", "20", "--noise-space", "255"], more].concat(),
        );
    }
    let (host, device) = (tree(&here.join("host")), tree(&here.join("device")));
    assert_eq!(host.len(), 62, "30 pictures, 30 masks, split.csv, about.json");
    assert!(host == device, "the files differ");
}

#[test]
fn an_exported_folder_trains() {
    let folder = folder();
    let here = folder.path();
    for (kind, classes) in [("polygons", "4"), ("angiography", "3")] {
        let draw =
            ["shapes", kind, "--kind", kind, "--size", "32", "--count", "12", "--val", "4", "--test", "6"];
        let sides = if kind == "polygons" { &["--sides", "3,7,0"][..] } else { &[] };
        let told = succeed(here, &[&draw[..], sides].concat());
        assert!(told.contains(&format!("22 pictures of {classes} classes")), "{told}");
        let root = format!("data.root={kind}");
        let classes = format!("model.classes={classes}");
        let keys = ["data.kind=folder", &root, "data.split=split.csv", &classes, "loss.name=cross_entropy"];
        let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
        let out = ["--set", "train.epochs=2", "--overwrite", "--quiet"];
        succeed(here, &[&["train", "tiny.toml"][..], &set, &out].concat());
        let told = fs::read(here.join("run/scores.json")).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["scores"]["images"], 6);
    }
}

#[test]
fn flags_that_do_nothing_are_refused() {
    let folder = folder();
    let here = folder.path();
    for (args, wanted) in [
        (&["--sides", "3,4"][..], "--sides is for --kind polygons"),
        (&["--kind", "angiography", "--on-device"], "--on-device is for --kind polygons"),
        (&["--kind", "polygons", "--classes", "4"], "--classes is for --kind shapes"),
        (&["--kind", "polygons", "--sides", "2"], "sides [2]"),
        (&["--noise=-1"], "--noise is -1"),
        (&["--count", "2"], "--count 2"),
    ] {
        let output = run(here, &[&["shapes", "out"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(wanted), "{args:?}: {said}");
    }
    assert!(!here.join("out").exists());
}

#[test]
fn the_test_is_fixed_and_fewer_pictures_are_a_part_of_more() {
    for kind in [&POLYGONS[..], &["data.kind=angiography", "model.classes=3"], &["data.kind=shapes"]] {
        let of =
            |more: &[&str]| open(&[kind, &["data.shapes_test=4", "data.val_fraction=0.2"], more].concat()).1;
        let (few, many) = (of(&["data.shapes_count=10"]), of(&["data.shapes_count=25", "train.seed=7"]));
        let sizes = |d: &Data| [d.split.train.len(), d.split.val.len(), d.split.test.len()];
        assert_eq!((sizes(&few), sizes(&many)), ([8, 2, 4], [20, 5, 4]));
        for (a, b) in [
            (&few.split.train, &many.split.train),
            (&few.split.val, &many.split.val),
            (&few.split.test, &many.split.test),
        ] {
            for (i, j) in a.iter().zip(b) {
                assert_eq!(few.dataset.load(*i).unwrap(), many.dataset.load(*j).unwrap());
            }
        }
        let other = of(&["data.shapes_count=10", "data.shapes_seed=1"]);
        let test = |d: &Data| d.dataset.load(d.split.test[0]).unwrap();
        assert_ne!(test(&few), test(&other));
        let folds = of(&["data.shapes_count=10", "data.folds=5", "data.fold=1"]);
        assert_eq!((sizes(&folds), test(&folds)), ([8, 2, 4], test(&few)));
    }
}

#[test]
fn noise_of_the_test_depends_on_neither_seed_nor_size() {
    let of = |more: &[&str]| {
        let keys =
            [&POLYGONS[..], &["data.shapes_test=3", "data.val_fraction=0", "data.noise=0.5"], more].concat();
        let (config, data) = open(&keys);
        let noise = Setup::new(&config).unwrap().noise.unwrap();
        let mut sample = data.dataset.load(data.split.test[1]).unwrap();
        noise.fixed(&sample.id).add(&mut sample.picture);
        let setup = Setup::new(&config).unwrap();
        let batch = data.training_loader(&config, &setup).unwrap().epoch(0).next().unwrap().unwrap();
        (sample.picture, batch.x)
    };
    let (first, other) = (of(&["data.shapes_count=4"]), of(&["data.shapes_count=9", "train.seed=3"]));
    assert_eq!(first.0, other.0);
    assert_ne!(first.1, other.1, "that of training depends on train.seed");
    assert_ne!(first.0, of(&["data.shapes_count=4", "data.shapes_seed=2"]).0);
    let levels = of(&["data.shapes_count=4", "data.noise=127.5", "data.noise_space=255"]);
    assert_eq!((first.0, first.1), levels, "grey levels are 255 to 1");
}

#[test]
fn generated_kinds_are_surveyed() {
    let folder = folder();
    let here = folder.path();
    let keys = ["data.shapes_count=60", "data.size=64", "data.shapes_test=20"];
    for kind in [&POLYGONS[..], &["data.kind=angiography", "model.classes=3"]] {
        let all: Vec<&str> = kind.iter().chain(&keys).flat_map(|key| ["--set", key]).collect();
        let told = succeed(here, &[&["data", "check", "tiny.toml"][..], &all].concat());
        assert!(told.contains("pictures 80 (20 test, 51 train, 9 val)"), "{told}");
        assert!(told.contains("nothing ought to be mended"), "{told}");
        let sheet = ["--sheet", "sheet.png", "--shown", "8"];
        succeed(here, &[&["data", "summary", "tiny.toml"][..], &all, &sheet].concat());
        assert!(image::open(here.join("sheet.png")).unwrap().width() > 64);
    }
}

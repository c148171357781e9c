//! Volumes and cross-validation through the command.
#![cfg(feature = "cli")]

mod common;
#[path = "../src/data/testing/medical.rs"]
mod medical;

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use common::{run, succeed};
use gyre::{
    data::{Dataset, FolderDataset, FolderOptions, list_pictures},
    train::{Setup, config::Config},
};
use medical::{Dicom, Nifti, nifti};

const TINY: &str = r#"
[model]
name = "unet"
widths = [4, 8]
in_channels = 1
[data]
root = "heads"
size = 16
channels = 1
[optim]
lr = 2e-2
[train]
epochs = 2
batch = 4
out = "run"
"#;

/// A ball in a volume of 20x18x6 voxels: brighter inside, of `label` in the mask.
fn ball(folder: &Path, name: &str, about: &Nifti, label: f64) {
    // No two are alike.
    let seed: usize = name.bytes().map(usize::from).sum();
    let inside = |i: usize| {
        let [x, y, z] = [i % 20, i / 20 % 18, i / 360].map(|v| v as f64);
        (x - 9.0).powi(2) + (y - 8.0).powi(2) + 4.0 * (z - 2.5).powi(2) < 36.0
    };
    for part in ["images", "masks"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    let shade = |i: usize| if inside(i) { 90.0 } else { ((i * 7 + seed * i / 9) % 30) as f64 };
    nifti(&folder.join("images").join(name), about, shade);
    let mask = Nifti { datatype: 2, ..about.clone() };
    nifti(&folder.join("masks").join(name), &mask, |i| if inside(i) { label } else { 0.0 });
}

fn about() -> Nifti {
    Nifti { dims: vec![20, 18, 6], datatype: 4, extension: vec![9; 32], ..Nifti::default() }
}

fn bytes(path: &Path) -> Vec<u8> {
    let raw = fs::read(path).unwrap();
    if !path.to_str().unwrap().ends_with(".gz") {
        return raw;
    }
    let mut all = Vec::new();
    flate2::read::GzDecoder::new(&raw[..]).read_to_end(&mut all).unwrap();
    all
}

fn heads(count: usize) -> tempfile::TempDir {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("c.toml"), TINY).unwrap();
    for i in 0..count {
        ball(&here.path().join("heads"), &format!("h{i}.nii.gz"), &about(), 1.0);
    }
    here
}

#[test]
fn a_volume_goes_in_and_its_mask_comes_out_with_its_header() {
    let here = heads(7);
    let at = |path: &str| here.path().join(path);
    succeed(here.path(), &["train", "c.toml", "--quiet"]);
    ball(&at("new"), "x.nii", &Nifti { big_endian: true, ..about() }, 1.0);
    let predict = ["predict", "run", "new/images", "heads/images/h0.nii.gz", "--out", "out"];
    succeed(here.path(), &[&predict[..], &["--write", "mask,classes,probability,overlay"]].concat());
    for (given, made) in [("new/images/x.nii", "out/x"), ("heads/images/h0.nii.gz", "out/h0")] {
        let (before, ending) = (bytes(&at(given)), if given.ends_with("gz") { ".nii.gz" } else { ".nii" });
        for (suffix, width) in [("", 1), ("_classes", 1), ("_p", 4)] {
            let after = bytes(&at(&format!("{made}{suffix}{ending}")));
            assert_eq!(after.len(), 352 + 32 + 20 * 18 * 6 * width);
            let changed: Vec<usize> = (0..384).filter(|i| before[*i] != after[*i]).collect();
            assert!(changed.iter().all(|i| (70..74).contains(i)), "{given}: {changed:?}");
            assert!(width == 4 || after[384..].iter().all(|v| *v < 2) && after[384..].contains(&0));
        }
    }
    assert!(at("out/x_z005_overlay.png").is_file() && !at("out/x_z006_overlay.png").exists());
    // What was learnt is where it was learnt.
    let slices = list_pictures(at("out/h0.nii.gz")).unwrap();
    assert_eq!(slices.len(), 6);
    let refused = run(here.path(), &predict);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is there already"));
    // A volume that is cut short costs its own mask alone.
    let whole = fs::read(at("new/images/x.nii")).unwrap();
    fs::write(at("new/images/y.nii"), &whole[..900]).unwrap();
    let partly = run(here.path(), &["predict", "run", "new/images", "--out", "again"]);
    assert_eq!(partly.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&partly.stderr).contains("y.nii") && at("again/x.nii").is_file());
    // A DICOM file becomes a PNG.
    fs::write(at("ct.dcm"), Dicom::gray(9, 12, 16, true, "MONOCHROME2").bytes16(&[100; 108])).unwrap();
    succeed(here.path(), &["predict", "run", "ct.dcm", "--out", "ct"]);
    assert_eq!(image::image_dimensions(at("ct/ct.png")).unwrap(), (12, 9));
}

/// The parts of the items of a config.
fn parts(config: &str) -> (Vec<String>, [Vec<usize>; 3], Vec<String>) {
    let config = Config::from_toml(config, &[]).unwrap();
    let data = Setup::new(&config).unwrap().open_data(&config).unwrap();
    let units = (0..data.dataset.len()).map(|i| data.dataset.unit(i).to_owned()).collect();
    (units, [data.split.train, data.split.val, data.split.test], data.warnings)
}

#[test]
fn no_volume_is_in_two_parts() {
    let here = heads(7);
    let root = here.path().join("heads");
    let config = TINY.replace("\"heads\"", &format!("{root:?}"));
    let apart = |config: &str| {
        let (units, parts, warnings) = parts(config);
        let of: Vec<Vec<&String>> = parts.iter().map(|p| p.iter().map(|i| &units[*i]).collect()).collect();
        assert_eq!(of.iter().map(Vec::len).sum::<usize>(), 42);
        assert!(of[0].iter().all(|u| !of[1].contains(u) && !of[2].contains(u)), "{of:?}");
        assert!(of[1].iter().all(|u| !of[2].contains(u)) && of.iter().all(|part| part.len() % 6 == 0));
        assert!(warnings.is_empty(), "{warnings:?}");
        of.iter().map(Vec::len).collect::<Vec<_>>()
    };
    assert_eq!(apart(&config), [30, 6, 6]);
    for fold in 0..3 {
        let folds = format!("size = 16\nfolds = 3\nfold = {fold}");
        assert_eq!(apart(&config.replace("size = 16", &folds)), [24, 12, 6]);
    }
    let table = root.join("split.csv");
    let rows = |name: &dyn Fn(usize) -> String, n: usize| {
        let part = |i: usize| ["train", "val", "test"][i % 3];
        "id,split\n".to_owned() + &(0..n).map(|i| format!("{},{}\n", name(i), part(i))).collect::<String>()
    };
    fs::write(&table, rows(&|i| format!("h{i}"), 7)).unwrap();
    let split = config.replace("size = 16", "size = 16\nsplit = \"split.csv\"");
    assert_eq!(apart(&split), [18, 12, 12]);
    fs::write(&table, rows(&|i| format!("h{}_z{:03}", i / 6, i % 6), 42)).unwrap();
    let (_, by_slice, warnings) = parts(&split);
    assert_eq!(by_slice[0].len(), 14);
    assert!(warnings[0].contains("slices of h") && warnings[0].contains("never seen"), "{warnings:?}");
    let one = heads(1);
    let config = TINY.replace("\"heads\"", &format!("{:?}", one.path().join("heads")));
    let config = Config::from_toml(&config, &[]).unwrap();
    assert!(Setup::new(&config).unwrap().open_data(&config).is_err(), "one volume makes no three parts");
}

#[test]
fn all_folds_by_one_command_and_their_mean() {
    let here = heads(6);
    let args = ["train", "c.toml", "--folds", "--quiet", "--set", "data.folds=2", "--set", "train.epochs=1"];
    let at = |path: &str| here.path().join(path);
    let told = succeed(here.path(), &args);
    assert!(told.contains("fold 2 of 2") && told.contains("ensemble"), "{told}");
    let table = fs::read_to_string(at("run/folds.csv")).unwrap();
    let names: Vec<&str> = table.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(names, ["fold", "fold0", "fold1", "mean", "sd", "ensemble"]);
    let dice: Vec<f64> =
        table.lines().skip(1).take(3).map(|l| l.split(',').nth(2).unwrap().parse().unwrap()).collect();
    assert!((0.5 * (dice[0] + dice[1]) - dice[2]).abs() < 2e-6, "{table}");
    assert!(String::from_utf8_lossy(&run(here.path(), &args).stderr).contains("--resume"));
    // What is done stays; what is missing is made, to the same bits.
    let checkpoint = |fold: usize| fs::read(at(&format!("run/fold{fold}/best.safetensors"))).unwrap();
    let (first, second) = (checkpoint(0), checkpoint(1));
    fs::remove_dir_all(at("run/fold1")).unwrap();
    let missing = run(here.path(), &["predict", "run", "heads/images/h1.nii.gz", "--out", "none"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("fold1"));
    succeed(here.path(), &[&args[..], &["--resume"]].concat());
    assert!(checkpoint(0) == first && checkpoint(1) == second);
    assert_eq!(fs::read_to_string(at("run/folds.csv")).unwrap(), table);
    // The ensemble is the mean of both.
    let probabilities = |out: &str, args: &[&str]| -> Vec<f32> {
        let all = ["predict", "run", "heads/images/h1.nii.gz", "--out", out, "--write", "probability"];
        succeed(here.path(), &[&all[..], args].concat());
        let bytes = bytes(&at(out).join("h1_p.nii.gz"));
        bytes[384..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    let both = probabilities("both", &[]);
    let one = probabilities("one", &["--weights", "run/fold0"]);
    let two = probabilities("two", &["--weights", "run/fold1/best.safetensors"]);
    assert!(one != two);
    assert!(both.iter().zip(one.iter().zip(&two)).all(|(m, (a, b))| (m - 0.5 * (a + b)).abs() < 1e-5));
    succeed(here.path(), &["eval", "run"]);
    let leaking = run(here.path(), &["eval", "run", "--split", "val"]);
    assert!(String::from_utf8_lossy(&leaking.stderr).contains("have learnt"));
    let none = run(here.path(), &["train", "c.toml", "--folds", "--quiet", "--set", "train.out=other"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("data.folds"));
}

/// Pictures are smoothed alike in training and prediction: with a strong blur a checkerboard is as good as gray.
#[test]
fn filters_are_before_the_network_in_prediction_too() {
    let here = heads(6);
    let at = |name: &str| -> PathBuf { here.path().join(name) };
    let filters = ["--set", "data.blur=3", "--set", "data.median=5"];
    succeed(
        here.path(),
        &[&["train", "c.toml", "--quiet", "--set", "train.epochs=1"], &filters[..]].concat(),
    );
    let text = fs::read_to_string(at("run/config.toml")).unwrap();
    assert!(text.contains("blur = 3.0") && text.contains("median = 5"));
    let draw = |name: &str, value: fn(u32, u32) -> u8| {
        image::GrayImage::from_fn(16, 16, |x, y| image::Luma([value(x, y)])).save(at(name)).unwrap();
    };
    // A spot that a median takes away, and the same without.
    draw("spot.png", |x, y| if (x, y) == (7, 8) { 255 } else { 40 });
    draw("flat.png", |_, _| 40);
    let out = |out: &str, extra: &[&str]| {
        let args = ["predict", "run", "spot.png", "flat.png", "--out", out, "--write", "npy"];
        succeed(here.path(), &[&args[..], extra].concat());
        ["spot.npy", "flat.npy"].map(|name| fs::read(at(out).join(name)).unwrap())
    };
    let [spot, flat] = out("with", &[]);
    assert_eq!(spot, flat);
    let [spot, flat] = out("without", &["--set", "data.blur=0", "--set", "data.median=0"]);
    assert_ne!(spot, flat);
}

#[test]
fn data_check_knows_volumes() {
    let here = heads(3);
    let told = succeed(
        here.path(),
        &["data", "check", "c.toml", "--set", "data.val_fraction=0.34", "--set", "data.test_fraction=0.33"],
    );
    assert!(told.contains("pictures 18 (6 test, 6 train, 6 val)"), "{told}");
    let sheet = here.path().join("sheet.png");
    let summary = ["data", "summary", "c.toml", "--sheet", "sheet.png", "--set", "data.axis=x"];
    succeed(
        here.path(),
        &[&summary[..], &["--set", "data.val_fraction=0.34", "--set", "data.test_fraction=0.33"]].concat(),
    );
    assert!(sheet.is_file());
    let data =
        FolderDataset::open(&FolderOptions { channels: 1, ..FolderOptions::new(here.path().join("heads")) })
            .unwrap();
    assert_eq!((data.len(), data.unit(17), data.size(0)), (18, "h2", (20, 18)));
}

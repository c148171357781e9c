//! Whatever cannot be used is refused by name, and costs nothing that is there.
#![cfg(feature = "cli")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use common::{files, folder, gyre, run, succeed};
use image::GrayImage;

/// A config on the pictures of `data`.
const PICTURES: &str = r#"
[model]
name = "unet"
widths = [4, 8]
in_channels = 1
[data]
root = "data"
size = 32
channels = 1
val_fraction = 0.2
test_fraction = 0.2
[train]
epochs = 1
batch = 2
out = "run"
"#;

/// The command failed with a message that holds `parts`; returns it.
fn refused(output: &Output, parts: &[&str]) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("gyre: ") && !said.contains("panicked"), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    said
}

/// As [`refused`] for a training run that may overwrite `run`, and leaves it as it is.
fn refuses_to_train(folder: &Path, args: &[&str], parts: &[&str]) {
    let before = files(&folder.join("run"));
    let args = [&["train"], args, &["--overwrite", "--quiet"]].concat();
    refused(&run(folder, &args), parts);
    assert_eq!(files(&folder.join("run")), before, "{args:?} changed the run folder");
}

/// A run folder that only looks like one.
fn old_run(folder: &Path) {
    fs::create_dir(folder.join("run")).unwrap();
    for name in ["config.toml", "last.safetensors", "best.safetensors", "metrics.csv", "metrics.jsonl"] {
        fs::write(folder.join("run").join(name), format!("the old {name}")).unwrap();
    }
}

/// A short run that is there.
fn trained() -> tempfile::TempDir {
    let folder = folder();
    succeed(folder.path(), &["train", "tiny.toml", "--quiet", "--set", "train.epochs=1"]);
    folder
}

#[test]
fn an_adapter_that_is_not_there() {
    let folder = folder();
    refused(&run(folder.path(), &["--adapter", "nosuch", "train", "tiny.toml"]), &["adapter", "nosuch"]);
    refused(&run(folder.path(), &["--adapter", "99", "train", "tiny.toml"]), &["adapter", "99"]);
    assert!(!folder.path().join("run").exists());
}

#[test]
fn keys_and_values() {
    let folder = folder();
    old_run(folder.path());
    let set = |assignment: &str, parts: &[&str]| {
        refuses_to_train(folder.path(), &["tiny.toml", "--set", assignment], parts);
    };
    set("model.width=[4, 8]", &["model.width", "model.widths"]);
    set("train.epochs=soon", &["train.epochs", "soon"]);
    set("train.epochs=-1", &["train.epochs"]);
    set("data.size=33", &["data.size 33", "multiple of 2", "32 or 34"]);
    set("model.widths=[4,8,8,8]\ntrain.batch=2", &["model.widths"]);
    set("train.batch", &["train.batch", "section.key=value"]);
    fs::write(folder.path().join("typo.toml"), "[train]\nepoch = 3\n").unwrap();
    refuses_to_train(folder.path(), &["typo.toml"], &["typo.toml", "train.epoch", "train.epochs"]);
    fs::write(folder.path().join("type.toml"), "[optim]\nlr = \"fast\"\n").unwrap();
    refuses_to_train(folder.path(), &["type.toml"], &["type.toml", "optim.lr"]);
    fs::write(folder.path().join("torn.toml"), "[optim\nlr = 1").unwrap();
    refuses_to_train(folder.path(), &["torn.toml"], &["torn.toml"]);
    refuses_to_train(folder.path(), &["missing.toml"], &["missing.toml"]);
}

#[test]
fn pictures_and_masks() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("p.toml"), PICTURES).unwrap();
    old_run(here);
    succeed(here, &["shapes", "--out", "data", "--count", "10", "--size", "32"]);
    let (pictures, masks) = (here.join("data/images"), here.join("data/masks"));
    let broken = |path: &Path, bytes: Option<&[u8]>, parts: &[&str]| {
        let whole = fs::read(path).unwrap();
        match bytes {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        refuses_to_train(here, &["p.toml"], parts);
        fs::write(path, whole).unwrap();
    };
    let encoded = |image: &GrayImage| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let picture = pictures.join("shape_00003.png");
    let mask = masks.join("shape_00004.png");
    let whole = fs::read(&mask).unwrap();
    broken(&picture, Some(b""), &["shape_00003.png"]);
    broken(&picture, Some(b"no picture at all"), &["shape_00003.png", "not a PNG"]);
    broken(&mask, Some(b""), &["shape_00004.png"]);
    broken(&mask, Some(&whole[..whole.len() / 2]), &["shape_00004.png", "truncated"]);
    broken(&mask, None, &["without a mask", "shape_00004"]);
    let small = encoded(&GrayImage::new(16, 32));
    broken(&mask, Some(&small), &["shape_00004.png", "32x32", "16x32"]);
    let ones = encoded(&GrayImage::from_pixel(32, 32, image::Luma([1])));
    broken(&mask, Some(&ones), &["shape_00004.png", "mix"]);
    let sevens = encoded(&GrayImage::from_pixel(32, 32, image::Luma([7])));
    broken(&mask, Some(&sevens), &["shape_00004.png holds 7"]);
    refuses_to_train(here, &["p.toml", "--set", "data.root=elsewhere"], &["elsewhere"]);
    refuses_to_train(here, &["p.toml", "--set", "data.split=none.csv"], &["none.csv"]);
    refuses_to_train(here, &["p.toml", "--set", "train.batch=64"], &["batch of 64"]);
    let whole = fs::read(&picture).unwrap();
    broken(&picture, Some(&whole[..whole.len() / 2]), &["shape_00003.png", "truncated"]);
}

#[test]
fn a_run_that_is_there() {
    let folder = trained();
    let before = files(&folder.path().join("run"));
    refused(&run(folder.path(), &["train", "tiny.toml"]), &["run holds a run", "--resume", "--overwrite"]);
    assert_eq!(files(&folder.path().join("run")), before);
}

#[test]
fn checkpoints_of_other_models_and_other_files() {
    let folder = trained();
    let here = folder.path();
    let before = files(&here.join("run"));
    let other = ["--set", "model.widths=[4,12]"];
    refused(
        &run(here, &[&["eval", "run"], &other[..]].concat()),
        &["best.safetensors", "Conv2.conv.0.weight (expected [12, 4, 3, 3], found [8, 4, 3, 3])"],
    );
    let init = |file: &str, set: &[&str], parts: &[&str]| {
        let args = ["train", "tiny.toml", "--quiet", "--set", "train.out=new", "--init", file];
        refused(&run(here, &[&args, set].concat()), parts);
        assert!(!here.join("new").exists(), "the folder was made for nothing");
        refused(&run(here, &[&["eval", "run", "--weights", file], set].concat()), parts);
    };
    init("run/best.safetensors", &other, &["run/best.safetensors", "of another shape", "Conv2"]);
    init(
        "run/best.safetensors",
        &["--set", "model.name=r2unet", "--set", "model.residual=true"],
        &["missing: RRCNN1", "unexpected: Conv1.conv.0.bias [4]"],
    );
    for (bytes, part) in [
        (&b"these are no weights"[..], "not a safetensors file"),
        (b"PK\x03\x04 archive/data.pkl", "zip"),
        (b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 and so on", "pickle"),
        (b"", "empty"),
    ] {
        fs::write(here.join("w.pth"), bytes).unwrap();
        init("w.pth", &[], &["w.pth", part]);
    }
    init("nowhere.safetensors", &[], &["nowhere.safetensors"]);
    let resume = ["train", "tiny.toml", "--quiet", "--resume"];
    refused(&run(here, &[&resume, &other[..]].concat()), &["last.safetensors", "Conv2"]);
    let sgd = ["--set", "optim.name=sgd"];
    refused(&run(here, &[&resume, &sgd[..]].concat()), &["last.safetensors", "optimiser"]);
    let another = ["--set", "loss.name=dice", "--set", "train.seed=5", "--set", "data.normalise=zscore"];
    refused(
        &run(here, &[&resume, &another[..]].concat()),
        &["data.normalise, loss.name, train.seed", "--init"],
    );
    assert_eq!(files(&here.join("run")), before);
}

#[test]
fn a_truncated_checkpoint() {
    let folder = trained();
    let last = folder.path().join("run/last.safetensors");
    let whole = fs::read(&last).unwrap();
    for length in [0, 7, 100, whole.len() - 1] {
        fs::write(&last, &whole[..length]).unwrap();
        let before = files(&folder.path().join("run"));
        let output = run(folder.path(), &["train", "tiny.toml", "--quiet", "--resume"]);
        refused(&output, &["run/last.safetensors"]);
        assert_eq!(files(&folder.path().join("run")), before);
    }
    // Weights alone are not enough to go on from.
    fs::copy(folder.path().join("run/best.safetensors"), &last).unwrap();
    refused(
        &run(folder.path(), &["train", "tiny.toml", "--quiet", "--resume"]),
        &["run/last.safetensors", "cannot be resumed from"],
    );
}

/// A limit on the size of files stands for a full disk: the write of a checkpoint fails half way.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_while_a_checkpoint_is_written() {
    let folder = trained();
    let here = folder.path();
    let before = fs::read(here.join("run/last.safetensors")).unwrap();
    assert!(before.len() > 24 * 1024, "the checkpoint is too small to be cut");
    let args = ["train", "tiny.toml", "--quiet", "--resume", "--set", "train.checkpoint_every=1"];
    let output = std::process::Command::new("sh")
        .current_dir(here)
        // In units of 512 bytes or, in some shells, 1024.
        .args(["-c", r#"trap "" XFSZ; ulimit -f 24; exec "$@""#, "sh", env!("CARGO_BIN_EXE_gyre")])
        .args(args)
        .output()
        .unwrap();
    refused(&output, &["run/last.safetensors"]);
    let after = files(&here.join("run"));
    assert_eq!(after["last.safetensors"], before);
    assert!(after.keys().all(|name| !name.starts_with('.')), "{:?}", after.keys());
    let output = succeed(here, &args);
    assert!(output.contains("epoch    2") && output.contains("12 steps"), "{output}");
}

#[test]
fn a_model_that_does_not_fit() {
    let folder = folder();
    let huge = [
        "tiny.toml",
        "--set",
        "model.widths=[64,128,256,512,1024]",
        "--set",
        "data.size=2048",
        "--set",
        "train.batch=16",
    ];
    for command in ["plan", "train"] {
        let began = Instant::now();
        let output = run(folder.path(), &[&[command], &huge[..]].concat());
        refused(&output, &["does not fit", "16x2048x2048x", "bytes", "batch"]);
        assert!(began.elapsed() < Duration::from_secs(20), "{command} took {:?}", began.elapsed());
    }
    assert!(!folder.path().join("run").exists());
}

/// The last batch of an epoch is one picture, of which batch norm over a picture's channels has no statistics.
#[test]
fn a_last_batch_that_cannot_be_trained_on() {
    let folder = folder();
    let grenet = ["model.name=grenet", "model.t=2", "train.batch=4", "data.shapes_count=5"];
    let more = ["train.partial=pad", "data.val_fraction=0.0", "data.shapes_test=1"];
    let sets = grenet.iter().chain(&more).flat_map(|set| ["--set", *set]);
    let output = run(folder.path(), &["train", "tiny.toml"].into_iter().chain(sets).collect::<Vec<_>>());
    refused(&output, &["batch_norm"]);
    assert!(!folder.path().join("run").exists());
}

/// A picture that goes bad in mid-training costs no step that was done.
#[test]
fn a_picture_that_goes_bad() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    succeed(here, &["shapes", "--out", "data", "--count", "10", "--size", "32"]);
    fs::write(here.join("p.toml"), PICTURES).unwrap();
    let args = [
        "train",
        "p.toml",
        "--quiet",
        "--resume",
        "--set",
        "train.epochs=100000",
        "--set",
        "train.eval_every=100000",
        "--set",
        "data.cache_mb=0",
    ];
    let child = gyre(here, &args).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let begun = || fs::metadata(here.join("run/metrics.csv")).is_ok_and(|m| m.len() > 500);
    while !begun() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let last = here.join("run/last.safetensors");
    assert!(!last.exists(), "there is a checkpoint already; the test shows nothing");
    for i in 0..10 {
        fs::write(here.join(format!("data/images/shape_0000{i}.png")), b"gone").unwrap();
    }
    refused(&child.wait_with_output().unwrap(), &["data/images/shape_0000"]);
    assert!(last.exists(), "the steps are lost");
}

#[test]
fn an_empty_split() {
    let folder = trained();
    let none = ["--set", "data.val_fraction=0.0"];
    let output = run(folder.path(), &[&["eval", "run", "--split", "val"], &none[..]].concat());
    refused(&output, &["split", "val"]);
    fs::create_dir(folder.path().join("bare")).unwrap();
    fs::write(folder.path().join("bare/config.toml"), common::TINY).unwrap();
    refused(&run(folder.path(), &["eval", "bare"]), &["bare", "no checkpoint"]);
}

#[test]
fn one_bad_picture_among_good_ones() {
    let folder = trained();
    let here = folder.path();
    succeed(here, &["shapes", "--out", "data", "--count", "3", "--size", "40"]);
    let pictures = here.join("data/images");
    let bad = pictures.join("shape_00001.png");
    fs::write(&bad, b"\x89PNG\r\n\x1a\n and no more").unwrap();
    let output = run(here, &["predict", "run", "data/images", "nowhere.png", "--out", "masks"]);
    refused(&output, &["shape_00001.png", "nowhere.png", "2 of 4 pictures failed"]);
    let masks = files(&here.join("masks"));
    assert!(masks.keys().eq(["shape_00000.png", "shape_00002.png"]), "{:?}", masks.keys());
    let mask = image::open(here.join("masks/shape_00002.png")).unwrap();
    assert_eq!((mask.width(), mask.height()), (40, 40));

    // Masks never replace pictures, nor one another, nor what is there.
    let before = files(&here.join("masks"));
    refused(
        &run(here, &["predict", "run", "data/images", "--out", "masks"]),
        &["masks/shape_00000.png", "--overwrite"],
    );
    assert_eq!(files(&here.join("masks")), before);
    fs::create_dir(here.join("empty")).unwrap();
    refused(&run(here, &["predict", "run", "empty", "--out", "more"]), &["empty", ".png"]);
    fs::remove_file(bad).unwrap();
    let before = files(&pictures);
    refused(&run(here, &["predict", "run", "data/images", "--out", "data/images"]), &["replace", "--out"]);
    assert_eq!(files(&pictures), before);
    fs::copy(pictures.join("shape_00000.png"), here.join("shape_00000.tif")).unwrap();
    let output = run(here, &["predict", "run", "data/images", "shape_00000.tif", "--out", "more"]);
    refused(&output, &["shape_00000", "one name"]);
    assert!(!here.join("more").exists());
    refused(
        &run(here, &["predict", "run", "data/images", "--out", "more", "--threshold", "2"]),
        &["threshold"],
    );
}

//! `gyre tune` and the tables of kernels: what was timed is kept, and a run goes on with what it began with.
#![cfg(feature = "cli")]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{folder, gyre, run, succeed};

type Choices = BTreeMap<String, String>;

/// The one cached table of a folder's commands.
fn cached(here: &Path) -> PathBuf {
    let kernels = here.join("cache/kernels");
    let mut files = fs::read_dir(kernels).unwrap().map(|e| e.unwrap().path());
    let file = files.next().unwrap();
    assert!(files.next().is_none() && file.extension().unwrap() == "json");
    file
}

fn choices(table: &Path) -> Choices {
    let table: serde_json::Value = serde_json::from_slice(&fs::read(table).unwrap()).unwrap();
    serde_json::from_value(table["choices"].clone()).unwrap()
}

/// The kernels that a run folder names.
fn kept(here: &Path) -> Choices {
    serde_json::from_slice(&fs::read(here.join("run/kernels.json")).unwrap()).unwrap()
}

#[test]
fn what_was_timed_is_kept() {
    let folder = folder();
    let here = folder.path();
    let tune = ["tune", "tiny.toml", "--runs", "1"];
    let first = succeed(here, &[&tune[..], &["--save", "table.json"]].concat());
    assert!(first.contains("conv2d 3x3, 4 to 4") && first.contains(" ms"), "{first}");
    let found = choices(&cached(here));
    let table: serde_json::Value = serde_json::from_slice(&fs::read(cached(here)).unwrap()).unwrap();
    let times = table["times"].as_object().unwrap();
    assert!(
        times.values().all(|forms| !forms.as_object().unwrap().is_empty()),
        "a key without a form: {times:?}"
    );
    assert!(found.len() > 10 && found == choices(&here.join("table.json")), "{found:?}");
    assert_eq!(succeed(here, &tune), "", "a second time there is nothing to do");

    // Where nothing can be kept, nothing that was timed is lost to this process.
    let nowhere = gyre(here, &[&tune[..], &["--save", "unkept.json"]].concat())
        .env("GYRE_CACHE", here.join("tiny.toml/cache"))
        .output()
        .unwrap();
    assert!(nowhere.status.success() && String::from_utf8_lossy(&nowhere.stderr).contains("are not kept"));
    assert!(choices(&here.join("unkept.json")).keys().eq(found.keys()));

    fs::write(cached(here), "{").unwrap();
    let output = run(here, &["plan", "tiny.toml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("is no table of kernels"), "{said}");
}

#[test]
fn a_run_keeps_its_kernels() {
    let folder = folder();
    let here = folder.path();
    succeed(here, &["tune", "tiny.toml", "--runs", "1", "--save", "table.json"]);
    // Another form than the one that is taken without the table.
    let mut table: serde_json::Value =
        serde_json::from_slice(&fs::read(here.join("table.json")).unwrap()).unwrap();
    let times = table["times"].as_object().unwrap().clone();
    let several = |key: &str, forms: &serde_json::Value| {
        key.ends_with(", training") && forms.as_object().unwrap().len() > 2
    };
    let (key, forms) = times.iter().find(|(key, forms)| several(key, forms)).unwrap();
    succeed(here, &["train", "tiny.toml", "--quiet", "--no-tune", "--set", "train.epochs=1"]);
    let usual = kept(here)[key].clone();
    let other = forms.as_object().unwrap().keys().find(|form| **form != usual).unwrap();
    table["choices"][key] = other.clone().into();
    fs::write(here.join("table.json"), table.to_string()).unwrap();

    let train = ["train", "tiny.toml", "--quiet"];
    let begin = ["--overwrite", "--set", "train.epochs=1", "--kernels", "table.json"];
    succeed(here, &[&train[..], &begin].concat());
    assert_eq!(kept(here)[key], *other);
    succeed(here, &[&train[..], &["--resume", "--no-tune"]].concat());
    assert_eq!(kept(here)[key], *other, "a resumed run goes on with its own");

    let output = run(here, &[&train[..], &["--overwrite", "--kernels", "none.json"]].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("none.json"), "{said}");
}

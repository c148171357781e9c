//! Experiments: grids that run once, in parts or whole, and the tables and figures of them.
#![cfg(feature = "cli")]

mod common;

use std::fs;

use common::{TINY, folder, run, succeed};

const SWEEP: &str = r#"
title = "Losses"
columns = ["dice", "kappa"]
seeds = [0, 1]
[base.train]
epochs = 1
[[axes]]
name = "loss"
levels = [
    { label = "bce", set.loss.name = "bce" },
    { label = "Dice", set.loss.name = "dice" },
]
[[published]]
cell = ["Dice"]
scores = { dice = 0.5 }
[[figures]]
name = "seen"
cell = ["bce"]
pictures = 2
"#;

/// The tiny config as the base of a sweep, `sweep.toml`.
fn sweep() -> tempfile::TempDir {
    let folder = folder();
    let base: String = TINY.lines().map(|l| l.replace('[', "[base.").replace("base.4", "4") + "\n").collect();
    let base = base.replace("out = \"run\"\n", "").replace("epochs = 3\n", "epochs = 1\n");
    let text = SWEEP.replace("[base.train]\nepochs = 1\n", &base);
    fs::write(folder.path().join("sweep.toml"), text).unwrap();
    folder
}

#[test]
fn a_sweep_runs_in_parts_and_only_once() {
    let folder = sweep();
    let here = folder.path();
    let read = |name: &str| fs::read_to_string(here.join("runs/experiments").join(name)).unwrap();
    let first = succeed(here, &["experiment", "sweep.toml", "--shard", "1/2"]);
    assert!(first.contains("2 of 4 runs done"), "{first}");
    assert!(read("sweep.md").contains("2 of 4 runs are done"));
    let listed = succeed(here, &["experiment", "sweep.toml", "--list", "--only", "Dice"]);
    assert_eq!((listed.lines().count(), listed.matches("to do").count()), (2, 1), "{listed}");
    succeed(here, &["experiment", "sweep.toml", "--shard", "2/2"]);
    let tables = ["sweep.md", "sweep.csv", "sweep.tex", "sweep-runs.csv"].map(read);
    assert!(tables[0].contains("(0.50)") && !tables[0].contains("are done"), "{}", tables[0]);
    assert_eq!(tables[3].lines().count(), 5);
    let size = image::open(here.join("runs/experiments/sweep-seen.png")).unwrap();
    assert_eq!((size.width(), size.height()), (2 * 32 + 4, 3 * 32 + 2 * 4));
    // What is done is not run again.
    let before = fs::metadata(cell(here)).unwrap().modified().unwrap();
    let again = succeed(here, &["experiment", "sweep.toml"]);
    assert!(again.contains("4 of 4 runs done") && !again.contains("seed 0"), "{again}");
    assert_eq!(fs::metadata(cell(here)).unwrap().modified().unwrap(), before);
    assert_eq!(["sweep.md", "sweep.csv", "sweep.tex", "sweep-runs.csv"].map(read), tables);
}

/// The scores of some cell.
fn cell(here: &std::path::Path) -> std::path::PathBuf {
    let mut cells = fs::read_dir(here.join("runs/experiments/cells")).unwrap();
    cells.next().unwrap().unwrap().path().join("scores.json")
}

#[test]
fn a_run_that_fails_does_not_keep_the_others() {
    let folder = sweep();
    let here = folder.path();
    let text = fs::read_to_string(here.join("sweep.toml")).unwrap();
    let bad =
        "{ label = \"bce\", set = { loss.name = \"bce\", data.kind = \"folder\", data.root = \"none\" } }";
    fs::write(here.join("sweep.toml"), text.replace("{ label = \"bce\", set.loss.name = \"bce\" }", bad))
        .unwrap();
    let output = run(here, &["experiment", "sweep.toml"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.matches("failed:").count() == 2 && out.contains("2 of 4 runs done"), "{out}{err}");
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let folder = sweep();
    let here = folder.path();
    for (args, part) in [
        (&["--set", "optim.lr=-1"][..], "lr"),
        (&["--profile", "huge"], "profile"),
        (&["--only", "mse"], "mse"),
        (&["--shard", "3/2"], "i/n"),
        (&["--data", "x"], "NAME=FOLDER"),
    ] {
        let output = run(here, &[&["experiment", "sweep.toml"], args].concat());
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(part), "{args:?}: {message}");
    }
    assert!(!here.join("runs").exists());
}

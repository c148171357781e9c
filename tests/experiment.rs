//! Experiments: grids that run once, in parts or whole, and the tables and figures of them.
#![cfg(feature = "cli")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

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
fn cell(here: &Path) -> PathBuf {
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

/// Evaluated again, drawn and held against claims; the profile has other levels of an axis.
const AGAIN: &str = r#"
title = "Thresholds"
columns = ["dice", "iou_micro", "recall.1"]
seeds = [0, 1]
again_name = "threshold"
as_trained = "0.5, as trained"
again = [
    { label = "0.3", set.train.threshold = 0.3, for = ["bce"] },
    { label = "0.5", set.train.threshold = 0.5, for = ["bce"] },
]
[profiles.other.axes]
rate = [{ label = "rate 2e-2", set.optim.lr = 2e-2, at = 0.02 }]
[[axes]]
name = "loss"
levels = [{ label = "bce", set.loss.name = "bce" }, { label = "Dice", set.loss.name = "dice" }]
[[axes]]
name = "rate"
levels = [{ label = "rate 1e-2", set.optim.lr = 1e-2, at = 0.01 }]
[[plots]]
name = "bars"
title = "IoU"
kind = "bars"
series = "loss"
along = "rate"
over = "again"
scores = ["iou_micro"]
[[plots]]
name = "grid"
title = "Best"
kind = "grid"
series = "loss"
along = "rate"
scores = ["iou_micro", "precision", "recall"]
[[claims]]
text = "a lower threshold finds more"
score = "recall"
of = "bce"
along = "again"
expect = "falls"
"#;

fn again() -> tempfile::TempDir {
    let folder = folder();
    let base: String = TINY.lines().map(|l| l.replace('[', "[base.").replace("base.4", "4") + "\n").collect();
    let base = base.replace("out = \"run\"\n", "").replace("epochs = 3\n", "epochs = 1\n");
    let text = AGAIN.replace("[profiles.other.axes]", &format!("{base}\n[profiles.other.axes]"));
    fs::write(folder.path().join("again.toml"), text).unwrap();
    folder
}

/// What was evaluated again, by path, with the time it was written.
fn kept(here: &Path) -> Vec<(PathBuf, std::time::SystemTime)> {
    let cells = fs::read_dir(here.join("runs/experiments/cells")).unwrap();
    let files =
        cells.flat_map(|cell| fs::read_dir(cell.unwrap().path()).unwrap()).map(|file| file.unwrap().path());
    let named = files.filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with("again-"));
    let mut found: Vec<_> =
        named.map(|p| (p.clone(), fs::metadata(&p).unwrap().modified().unwrap())).collect();
    found.sort();
    found
}

#[test]
fn cells_are_evaluated_again_once_and_after_another_training() {
    let folder = again();
    let here = folder.path();
    let out = |name: &str| here.join("runs/experiments").join(name);
    let first = succeed(here, &["experiment", "again.toml"]);
    assert!(first.contains("4 of 4 runs done") && first.matches("  0.3: Dice").count() == 2, "{first}");
    // The threshold that training ends with is not evaluated twice.
    let before = kept(here);
    assert_eq!(before.len(), 2);
    let table = fs::read_to_string(out("again.md")).unwrap();
    assert!(
        table.contains("| loss | rate | threshold | runs | Dice | IoU (micro) | recall, class 1 |"),
        "{table}"
    );
    let row = |way: &str| {
        table.lines().find(|line| line.contains(way)).unwrap().rsplit_once("| 2 |").unwrap().1.to_owned()
    };
    assert_eq!(row("| 0.5 |"), row("| 0.5, as trained |"));
    assert_ne!(row("| 0.3 |"), row("| 0.5 |"));
    assert!(table.contains("| Dice | rate 1e-2 | – | 2 |"), "{table}");
    assert_eq!(fs::read_to_string(out("again-runs.csv")).unwrap().lines().count(), 1 + 2 * 3 + 2);
    for file in ["again-bars.svg", "again-bars.csv", "again-grid.svg", "again-grid.csv", "again-claims.md"] {
        assert!(out(file).is_file(), "{file}");
    }
    // A lower threshold marks more, so that recall falls as it rises.
    let claims = fs::read_to_string(out("again-claims.md")).unwrap();
    assert!(claims.contains("| bce along threshold | -"), "{claims}");
    succeed(here, &["experiment", "again.toml"]);
    assert_eq!(kept(here), before);
    let listed = succeed(here, &["experiment", "again.toml", "--list", "--only", "bce"]);
    assert_eq!(listed.matches(", 2 of 2 again").count(), 2, "{listed}");
    // One that is lost is made again, and so is that of a cell that was trained again.
    fs::remove_file(&before[0].0).unwrap();
    let scores = before[1].0.with_file_name("scores.json");
    let text = fs::read_to_string(&scores).unwrap();
    fs::write(&scores, text.replacen("{", "{ ", 1)).unwrap();
    let listed = succeed(here, &["experiment", "again.toml", "--list", "--only", "bce"]);
    assert_eq!(listed.matches(", 1 of 2 again").count(), 2, "{listed}");
    succeed(here, &["experiment", "again.toml"]);
    let after = kept(here);
    assert!(after.len() == 2 && after[0].1 > before[0].1 && after[1].1 > before[1].1);
}

#[test]
fn claims_are_tested_over_what_is_done() {
    let folder = again();
    let here = folder.path();
    let none = succeed(here, &["experiment", "claims", "again.toml", "--profile", "other", "--out", "o"]);
    assert!(none.contains("| 1 | a lower threshold finds more | again | not testable |"), "{none}");
    succeed(here, &["experiment", "again.toml", "--profile", "other", "--only", "bce", "--out", "o"]);
    let done = succeed(here, &["experiment", "claims", "again.toml", "--profile", "other", "--out", "o"]);
    let row = done.lines().find(|line| line.starts_with("| bce along threshold |")).unwrap();
    assert!(row.contains("| -") && row.contains("| 2 |"), "{row}");
    assert!(fs::read_to_string(here.join("o/claims-other.md")).unwrap().contains("finds more"));
    let message = |args: &[&str]| String::from_utf8_lossy(&run(here, args).stderr).into_owned();
    assert!(
        message(&["experiment", "claims", "table1", "--data", "dsb2018=x"]).contains("nothing is claimed")
    );
    assert!(
        message(&["experiment", "claims", "again.toml", "--correction", "x"]).contains("benjamini-hochberg")
    );
    assert!(message(&["experiment"]).contains("EXPERIMENT"));
}

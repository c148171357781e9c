//! Runs repeat to the last bit, and killed runs go on as if nothing had been.
#![cfg(feature = "cli")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use ::gyre::gpu::{Context, Select};
use common::{files, folder, gyre, succeed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What must come out equal: all but the report and the clock, and of the outcome the scores; the rest tells seconds.
fn outcome(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = files(&folder.join("run"));
    // Events carry the time of day.
    assert!(all.remove("events.out.tfevents.gyre").is_some());
    assert!(all.remove("report.html").is_some() && all.remove("clock.json").is_some());
    let told = all.remove("scores.json").expect("a finished run has scores");
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    all.insert("scores".into(), told["scores"].to_string().into_bytes());
    assert!(all.contains_key("best.safetensors") && all.contains_key("last.safetensors"));
    all
}

fn assert_equal(got: &BTreeMap<String, Vec<u8>>, want: &BTreeMap<String, Vec<u8>>) {
    assert!(got.keys().eq(want.keys()), "{:?}, expected {:?}", got.keys(), want.keys());
    for (name, bytes) in want {
        if bytes != &got[name] {
            let (got, want) = (String::from_utf8_lossy(&got[name]), String::from_utf8_lossy(bytes));
            let shown = if name.ends_with("safetensors") { String::new() } else { format!("{got}\n{want}") };
            panic!("{name} differs from that of the other run\n{shown}");
        }
    }
}

/// Arguments of a training run with some keys set.
fn arguments<'a>(keys: &[&'a str], flags: &[&'a str]) -> Vec<&'a str> {
    let set = keys.iter().flat_map(|key| ["--set", key]);
    ["train", "tiny.toml", "--quiet"].into_iter().chain(set).chain(flags.iter().copied()).collect()
}

fn straight(keys: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let folder = folder();
    succeed(folder.path(), &arguments(keys, &[]));
    outcome(folder.path())
}

/// Starts the run again and again, each time until it has written a few checkpoints and a moment longer, and
/// kills it there. Returns what is there at its end, and how often it was killed after a checkpoint.
fn interrupted(keys: &[&str], seed: u64) -> (BTreeMap<String, Vec<u8>>, usize) {
    let folder = folder();
    let last = folder.path().join("run/last.safetensors");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut kills = 0;
    'runs: loop {
        let mut child = gyre(folder.path(), &arguments(keys, &["--resume"]))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut seen = std::fs::read(&last).ok();
        let mut checkpoints = rng.random_range(1..=4);
        while checkpoints > 0 {
            if let Some(status) = child.try_wait().unwrap() {
                let said = std::io::read_to_string(child.stderr.unwrap()).unwrap();
                assert!(status.success(), "after {kills} kills: {said}");
                break 'runs;
            }
            sleep(Duration::from_millis(1));
            let now = std::fs::read(&last).ok();
            checkpoints -= i32::from(now != seen);
            seen = now;
        }
        sleep(Duration::from_micros(rng.random_range(0..40_000)));
        // SIGKILL; the process may have ended meanwhile.
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    (outcome(folder.path()), kills)
}

fn survives_kills(keys: &[&str], seed: u64) {
    let (got, kills) = interrupted(keys, seed);
    assert_equal(&got, &straight(keys));
    assert!(kills > 0, "the run was never killed");
}

#[test]
fn equal_seeds_give_equal_bytes_and_others_do_not() {
    let (first, second, other) = (straight(&[]), straight(&[]), straight(&["train.seed=1"]));
    assert_equal(&first, &second);
    for name in ["last.safetensors", "best.safetensors", "metrics.csv"] {
        assert_ne!(first[name], other[name], "{name}");
    }
}

#[test]
fn a_killed_run_ends_like_an_unbroken_one() {
    survives_kills(&["train.checkpoint_every=1"], 1);
}

#[test]
fn so_with_padded_batches_in_parts_and_nadam() {
    let keys = [
        "train.checkpoint_every=1",
        "train.partial=pad",
        "train.micro_batches=2",
        "optim.name=nadam",
        "optim.clip_norm=1.0",
        "optim.schedule=cosine",
        "augment.rotate=30",
        "augment.elastic=2",
        "augment.noise=0.1",
        "train.judge=loss",
    ];
    survives_kills(&keys, 2);
}

/// What is counted from validation to validation goes on, too: bad looks, lowered rates, patience.
#[test]
fn so_with_a_plateau_and_early_stopping() {
    let keys = [
        "train.checkpoint_every=1",
        "train.epochs=40",
        "train.patience=4",
        "loss=[{name=\"weighted_bce\"}, {name=\"dice\", weight=0.5}]",
        "optim.name=adamw",
        "optim.weight_decay=0.01",
        "optim.clip_value=0.1",
        "optim.warmup_steps=3",
        "train.snapshots=2",
        "optim.plateau=true",
        "optim.plateau_patience=1",
        "optim.plateau_factor=0.5",
    ];
    survives_kills(&keys, 6);
    let rows = String::from_utf8(straight(&keys)["metrics.csv"].clone()).unwrap();
    let epochs = rows.lines().filter(|line| line.contains(",train,")).count();
    assert!(epochs < 40, "the run never lost patience:\n{rows}");
}

/// Where the device has f16.
#[test]
fn so_in_mixed_precision() {
    if !Context::new(&Select::parse(None)).unwrap().tier.f16 {
        eprintln!("LEFT OUT: no f16 in shaders");
        return;
    }
    let keys =
        ["train.checkpoint_every=1", "train.precision=mixed", "train.micro_batches=2", "optim.name=nadam"];
    survives_kills(&keys, 5);
}

#[test]
fn so_with_momentum_and_a_recurrent_network() {
    let keys = [
        "train.checkpoint_every=1",
        "train.partial=pad",
        "train.epochs=2",
        "model.name=r2attunet",
        "model.t=1",
        "optim.name=sgd",
        "optim.nesterov=true",
        "optim.schedule=linear",
    ];
    survives_kills(&keys, 3);
}

/// Noise of training pictures goes on where it was, and that of the others stays.
#[test]
fn so_with_noise_on_polygons() {
    let keys = [
        "train.checkpoint_every=1",
        "data.kind=polygons",
        "data.sides=[3, 0]",
        "model.classes=3",
        "data.shapes_test=5",
        "data.noise=0.7",
        "data.normalise=minmax",
        "loss.name=cross_entropy",
    ];
    survives_kills(&keys, 8);
}

/// The only checkpoints stand at the last step of an epoch, before its row is written.
#[test]
fn so_where_an_epoch_is_done_but_not_closed() {
    let keys =
        ["train.checkpoint_every=4", "train.eval_every=5", "train.epochs=5", "optim.schedule=inverse_decay"];
    survives_kills(&keys, 4);
}

#[test]
fn what_killed_writes_left_is_removed_and_read_by_nobody() {
    let folder = folder();
    let run = folder.path().join("run");
    std::fs::create_dir(&run).unwrap();
    for name in [".last.safetensors.tmp0", ".best.safetensors.tmp0", ".config.toml.tmp1", ".metrics.csv.tmp7"]
    {
        std::fs::write(run.join(name), b"half").unwrap();
    }
    std::fs::write(run.join(".notes.tmp0"), b"mine").unwrap();
    succeed(folder.path(), &arguments(&[], &["--resume"]));
    let mut got = outcome(folder.path());
    assert_eq!(got.remove(".notes.tmp0").as_deref(), Some(&b"mine"[..]));
    assert_equal(&got, &straight(&[]));
}

//! `gyre descend`: films, curves and component graphs of descents, and what it refuses.
#![cfg(feature = "cli")]

mod common;

use std::{fs, io::Cursor, path::Path};

use common::{folder, run, succeed};
use image::{AnimationDecoder, RgbaImage, codecs::png::PngDecoder};

const PICTURE: &str = "data/images/shape_00000.png";
const MASK: &str = "data/masks/shape_00000.png";

fn shapes(here: &Path) {
    succeed(here, &["shapes", "data", "--count", "4", "--size", "32"]);
}

/// All frames of an animated PNG.
fn frames(path: &Path) -> Vec<RgbaImage> {
    let decoder = PngDecoder::new(Cursor::new(fs::read(path).unwrap())).unwrap();
    let frames = decoder.apng().unwrap().into_frames().collect_frames().unwrap();
    frames.into_iter().map(image::Frame::into_buffer).collect()
}

/// A column of a CSV file, by its name.
fn column(path: &Path, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(','));
    let at = lines.next().unwrap().position(|head| head == name).unwrap();
    lines.map(|mut line| line.nth(at).unwrap().parse().unwrap()).collect()
}

fn complaint(here: &Path, args: &[&str]) -> String {
    let output = run(here, args);
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn noisy_masks_descend() {
    let folder = folder();
    let here = folder.path();
    shapes(here);
    let noisy = ["descend", PICTURE, "--mask", MASK, "--noise", "1.0", "--seed", "3"];
    let som = [&noisy[..], &["--out", "som", "--set", "descent.steps=12"]].concat();
    let told = succeed(here, &som);
    assert!(told.contains("13 frames of 12 steps") && told.contains("components"), "{told}");
    let made = |name: &str| here.join("som/shape_00000").with_file_name(format!("shape_00000_{name}"));
    let film = frames(&made("descent.png"));
    assert_eq!(film.len(), 13);
    assert_ne!(film[0], film[12]);
    let energy = column(&made("energy.csv"), "energy");
    assert_eq!((energy.len(), column(&made("energy.csv"), "pairs").len()), (13, 13));
    assert!(energy.windows(2).all(|e| e[1] <= e[0]) && energy[12] < 0.9 * energy[0], "{energy:?}");
    assert!(fs::read_to_string(made("energy.svg")).unwrap().contains("</svg>"));
    let graph = image::open(made("graph.png")).unwrap();
    assert!(graph.width() > 1500 && graph.height() == 768);
    // Equal seeds make equal films, and nothing is replaced unasked.
    assert!(complaint(here, &som).contains("--overwrite"));
    let before = fs::read(made("descent.png")).unwrap();
    succeed(here, &[&som[..], &["--overwrite"]].concat());
    assert_eq!(fs::read(made("descent.png")).unwrap(), before);

    let crf = ["--out", "crf", "--every", "5", "--set", "descent.energy=crf", "--set", "descent.steps=12"];
    succeed(here, &[&noisy[..], &crf].concat());
    // 0, 5, 10, and the last.
    assert_eq!(frames(&here.join("crf/shape_00000_descent.png")).len(), 4);
    assert_eq!(column(&here.join("crf/shape_00000_energy.csv"), "step").len(), 13);
    assert!(!here.join("crf/shape_00000_graph.png").exists());
    let rests = ["--out", "rest", "--set", "descent.steps=900", "--set", "descent.tolerance=0.05"];
    assert!(succeed(here, &[&noisy[..], &rests].concat()).contains("the energy rests"));
}

#[test]
fn what_a_network_believes_descends() {
    let folder = folder();
    let here = folder.path();
    shapes(here);
    let hopfield = ["--set", "descent.energy=hopfield", "--set", "descent.memories=6"];
    succeed(here, &[&["train", "tiny.toml", "--quiet", "--set", "train.epochs=1"][..], &hopfield].concat());
    succeed(here, &["descend", "run", "data/images", "--out", "seen", "--set", "descent.steps=3"]);
    for picture in 0..4 {
        let energy = column(&here.join(format!("seen/shape_0000{picture}_energy.csv")), "energy");
        assert!(energy.len() == 4 && energy[3] < energy[0], "{energy:?}");
    }
    let by_file = ["descend", "run/last.safetensors", PICTURE, "--out", "file", "--set", "descent.steps=3"];
    succeed(here, &by_file);
    let csv = |folder: &str| fs::read(here.join(folder).join("shape_00000_energy.csv")).unwrap();
    assert_eq!(csv("seen"), csv("file"));
    // With memories that were learnt and edges that need no learning, steps of both in turn.
    let hybrid = ["--set", "descent.energy=hybrid", "--out", "hybrid"];
    succeed(here, &[&["descend", "run", PICTURE][..], &hybrid].concat());
    assert_eq!(column(&here.join("hybrid/shape_00000_energy.csv"), "hopfield").len(), 6);
    let other = |key: &str| complaint(here, &["descend", "run", PICTURE, "--out", "x", "--set", key]);
    assert!(other("descent.memories=7").contains("descent.memories was learnt in the shape [6, 16]"));
    assert!(other("descent.level=1").contains("descent.level is not 0"));
    assert!(other("descent.energy=ensemble").contains("ensemble"));
    assert!(other("descent.energy=none").contains("descent.energy=som"));
    assert!(complaint(here, &["descend", "run", "--out", "x"]).contains("name a run and then pictures"));
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let folder = folder();
    let here = folder.path();
    shapes(here);
    let with = |more: &[&str]| {
        let usual = ["descend", PICTURE, "--mask", MASK, "--out", "x"];
        complaint(here, &[&usual[..], more].concat())
    };
    assert!(with(&["--set", "descent.energy=hopfield"]).contains("needs descent.memories, which is learnt"));
    let learned = ["descent.filter=learned", "descent.softness=0.1"];
    assert!(with(&["--set", learned[0], "--set", learned[1]]).contains("descent.filter.weight"));
    assert!(with(&["--noise=-1"]).contains("--noise"));
    assert!(with(&["data/images/shape_00001.png"]).contains("one picture"));
    let grey = ["descend", PICTURE, "--mask", PICTURE, "--out", "x"];
    assert!(complaint(here, &grey).contains("a mask has one a class"));
    // As printed, beliefs of the random field grow by a tenth each step.
    let keys =
        ["--set", "descent.energy=crf", "--set", "descent.steps=900", "--set", "data.normalise=minmax"];
    let said = with(&keys);
    assert!(said.contains("diverged") && said.contains("descent.normalise"), "{said}");
    let energy = column(&here.join("x/shape_00000_energy.csv"), "energy");
    assert!((100..900).contains(&energy.len()) && energy.iter().all(|e| e.is_finite()), "{}", energy.len());
    assert!(frames(&here.join("x/shape_00000_descent.png")).len() > 10);
}

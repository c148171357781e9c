//! The command's ways beside plain training: layouts of data, augmentation, presets, what predictions are written as.
#![cfg(feature = "cli")]

mod common;

use std::{fs, path::Path};

use common::{folder, run, succeed};

/// A folder of pictures of two sizes, with a mask file for each of their objects.
fn objects(root: &Path) {
    for (id, side) in [("a", 24u32), ("b", 40), ("c", 24), ("d", 33)] {
        let folder = root.join(id);
        fs::create_dir_all(folder.join("images")).unwrap();
        fs::create_dir_all(folder.join("masks")).unwrap();
        let inside = |x: u32, y: u32, k: u32| (4 + 8 * k..10 + 8 * k).contains(&x) && (5..15).contains(&y);
        let picture = image::RgbaImage::from_fn(side, side, |x, y| {
            let v = if inside(x, y, 0) || inside(x, y, 1) { 220 } else { 30 };
            image::Rgba([v, v, v, 255])
        });
        picture.save(folder.join("images").join(format!("{id}.png"))).unwrap();
        for k in 0..2 {
            let mask =
                image::GrayImage::from_fn(side, side, |x, y| image::Luma([255 * u8::from(inside(x, y, k))]));
            mask.save(folder.join("masks").join(format!("{k}.png"))).unwrap();
        }
    }
}

#[test]
fn objects_of_mixed_sizes_train_and_predict() {
    let folder = folder();
    let here = folder.path();
    objects(&here.join("nuclei"));
    let keys = ["data.kind=objects", "data.root=nuclei", "data.val_fraction=0.25", "data.test_fraction=0.0"];
    let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    succeed(here, &[&["train", "tiny.toml", "--quiet", "--set", "train.batch=1"][..], &set].concat());
    succeed(here, &["predict", "run", "nuclei", "--out", "masks"]);
    let sides: Vec<u32> = ["a", "b"]
        .iter()
        .map(|id| image::open(here.join(format!("masks/{id}.png"))).unwrap().width())
        .collect();
    assert_eq!(sides, [24, 40]);
    let output =
        run(here, &[&["train", "tiny.toml", "--overwrite", "--set", "model.classes=3"][..], &set].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("knows no classes"));
}

#[test]
fn a_broken_data_set_is_told_of_in_full() {
    let folder = folder();
    let here = folder.path();
    succeed(here, &["shapes", "--out", "data", "--count", "8", "--size", "32"]);
    let check = ["data", "check", "tiny.toml", "--set", "data.kind=folder", "--set", "data.root=data"];
    let told = succeed(here, &check);
    for part in ["pictures 8", "files    with channels", "masks    hold 0/255", "class    1: "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    for name in ["images/shape_00001.png", "images/shape_00004.png"] {
        fs::write(here.join("data").join(name), b"not a picture").unwrap();
    }
    let output = run(here, &[&check[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems: Vec<&str> =
        told["problems"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    assert!(
        problems.len() == 2 && problems[0].contains("00001") && problems[1].contains("00004"),
        "{problems:?}"
    );
}

#[test]
fn three_classes_are_each_ranked_against_the_others() {
    let folder = folder();
    let here = folder.path();
    for (part, of) in [("images", [20u8, 120, 220]), ("masks", [0, 1, 2])] {
        fs::create_dir_all(here.join("stripes").join(part)).unwrap();
        for i in 0..12u32 {
            let stripe = |x, _| image::Luma([of[((x + 5 * i) / 12 % 3) as usize]]);
            let picture = image::GrayImage::from_fn(32, 32, stripe);
            picture.save(here.join(format!("stripes/{part}/{i}.png"))).unwrap();
        }
    }
    let keys =
        ["data.kind=folder", "data.root=stripes", "model.classes=3", "loss=[{name=\"cross_entropy\"}]"];
    let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    succeed(here, &[&["train", "tiny.toml", "--quiet", "--set", "train.epochs=12"][..], &set].concat());
    let told: serde_json::Value =
        serde_json::from_slice(&fs::read(here.join("run/scores.json")).unwrap()).unwrap();
    let auc = |of: &serde_json::Value| of.as_f64().unwrap();
    let each: Vec<f64> = told["scores"]["auc_by_class"].as_array().unwrap().iter().map(auc).collect();
    assert!(each.len() == 2 && each.iter().all(|auc| *auc > 0.8), "{each:?}");
    assert!((auc(&told["scores"]["auc"]) - 0.5 * (each[0] + each[1])).abs() < 1e-12);
    assert!(!told["hardware"][0].as_str().unwrap().is_empty());
}

#[test]
fn predictions_are_written_in_every_way() {
    let folder = folder();
    let here = folder.path();
    succeed(here, &["train", "tiny.toml", "--quiet", "--set", "train.epochs=1"]);
    succeed(here, &["shapes", "--out", "new", "--count", "3", "--size", "50"]);
    let all = ["--write", "mask,classes,probability,probability-tiff,npy,overlay"];
    let predict = ["predict", "run", "new/images", "--flips", "--weights", "run/best.safetensors"];
    let ensemble = ["--weights", "run/last.safetensors", "--out", "out"];
    succeed(here, &[&predict[..], &ensemble, &all].concat());
    let mut names: Vec<String> = fs::read_dir(here.join("out"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("shape_00000"))
        .collect();
    names.sort();
    let want = [".npy", ".png", "_classes.png", "_overlay.png", "_p.png", "_p.tif"]
        .map(|s| format!("shape_00000{s}"));
    assert_eq!(names, want);
    let p = image::open(here.join("out/shape_00000_p.png")).unwrap().to_luma16();
    let mask = image::open(here.join("out/shape_00000.png")).unwrap().to_luma8();
    assert_eq!((p.width(), mask.height()), (50, 50));
    assert_eq!(image::open(here.join("out/shape_00000_p.tif")).unwrap().to_luma16(), p);
    assert!(p.pixels().zip(mask.pixels()).all(|(p, m)| (p[0] >= 32768) == (m[0] == 255)));
    let output = run(here, &[&predict[..], &ensemble, &all].concat());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--overwrite"), "files in the way are spared");
    let output = run(here, &["predict", "run", "new/images", "--out", "more", "--overlap", "1"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--overlap"));
}

#[test]
fn tiles_of_a_large_picture_agree_with_each_other() {
    let folder = folder();
    let here = folder.path();
    succeed(here, &["train", "tiny.toml", "--quiet", "--set", "train.epochs=1", "--set", "data.fit=tile"]);
    succeed(here, &["shapes", "--out", "new", "--count", "3", "--size", "90"]);
    for overlap in ["0", "0.6"] {
        let out = format!("out{overlap}");
        succeed(here, &["predict", "run", "new/images", "--overlap", overlap, "--out", &out]);
        assert_eq!(image::open(here.join(out).join("shape_00000.png")).unwrap().width(), 90);
    }
}

#[test]
fn augmentation_is_shown() {
    let folder = folder();
    let here = folder.path();
    let keys = ["augment.rotate=30", "augment.elastic=2", "augment.contrast=0.2"];
    let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    let show = ["augment", "tiny.toml", "--preview", "sheet.png", "--versions", "3"];
    succeed(here, &[&show[..], &set].concat());
    let sheet = image::open(here.join("sheet.png")).unwrap().to_rgb8();
    assert_eq!((sheet.width(), sheet.height()), (4 * 36, 4 * 36));
    let column = |c: u32| (0..32).flat_map(|y| (0..32).map(move |x| (c * 36 + x, y))).collect::<Vec<_>>();
    let differs = |c: u32| {
        column(0).iter().zip(column(c)).any(|(a, b)| sheet.get_pixel(a.0, a.1) != sheet.get_pixel(b.0, b.1))
    };
    assert!(differs(1) && differs(3));
    let output = run(here, &show);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("[augment]"));
}

#[test]
fn presets_are_listed_and_changed() {
    let folder = folder();
    let here = folder.path();
    assert!(succeed(here, &["config", "--presets"]).contains("r2attunet-ftl"));
    let shown = succeed(here, &["config", "tiny.toml", "--preset", "r2attunet-ftl"]);
    assert!(shown.contains("name = \"focal_tversky\"") && shown.contains("epochs = 3"), "{shown}");
    let output = run(here, &["plan", "--preset", "none"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no preset"));
}

/// The last Dice of a run's validations.
fn best(run: &Path) -> f64 {
    let scores: serde_json::Value =
        serde_json::from_slice(&fs::read(run.join("scores.json")).unwrap()).unwrap();
    scores["best"].as_f64().unwrap()
}

#[test]
fn counts_of_the_device_are_those_of_the_masks() {
    let folder = folder();
    let here = folder.path();
    succeed(here, &["train", "tiny.toml", "--quiet"]);
    // Validation counted on the device; this looks at masks.
    let json = succeed(here, &["eval", "run", "--split", "val", "--json"]);
    let scores: serde_json::Value = serde_json::from_str(&json).unwrap();
    let dice = scores["pooled"]["macro_foreground"]["dice"].as_f64().unwrap();
    assert_eq!(dice, best(&here.join("run")));
}

#[test]
fn snapshots_are_kept_and_averaged() {
    let folder = folder();
    let here = folder.path();
    let set = ["--set", "train.snapshots=2", "--set", "train.epochs=4"];
    succeed(here, &[&["train", "tiny.toml", "--quiet"][..], &set].concat());
    let snapshots: Vec<String> = fs::read_dir(here.join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|name| name.contains("snapshot-"))
        .collect();
    assert_eq!(snapshots.len(), 2);
    let of_run = succeed(here, &["eval", "run", "--json"]);
    let named = ["eval", "run", "--json", "--weights", &snapshots[0], "--weights", &snapshots[1]];
    assert_eq!(of_run, succeed(here, &named));
    assert_ne!(of_run, succeed(here, &["eval", "run", "--json", "--weights", "run/best.safetensors"]));
    // Overwriting takes them away.
    succeed(here, &["train", "tiny.toml", "--quiet", "--overwrite", "--set", "train.epochs=1"]);
    assert!(!Path::new(&here.join(&snapshots[0])).exists());
}

#[test]
fn a_report_is_made_anew() {
    let folder = folder();
    let here = folder.path();
    let early = run(here, &["report", "tiny.toml"]);
    assert!(String::from_utf8_lossy(&early.stderr).contains("has not ended"));
    succeed(here, &["train", "tiny.toml", "--quiet"]);
    let first = fs::read_to_string(here.join("run/report.html")).unwrap();
    fs::remove_file(here.join("run/report.html")).unwrap();
    succeed(here, &["report", "run"]);
    assert_eq!(fs::read_to_string(here.join("run/report.html")).unwrap(), first);
    for part in ["Confusion", "Thresholds", "average precision", "Pictures"] {
        assert!(first.contains(part), "{part}");
    }
    let events = fs::read(here.join("run/events.out.tfevents.gyre")).unwrap();
    assert!(events.windows(9).any(|w| w == b"loss/trai") && events.windows(8).any(|w| w == b"dice/val"));
}

#[test]
fn lists_and_folds_by_group() {
    let folder = folder();
    let here = folder.path();
    succeed(here, &["shapes", "--out", "set", "--count", "12", "--size", "32"]);
    let mut names: Vec<String> = fs::read_dir(here.join("set/images"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let row = |(i, name): (usize, &String)| format!("n{i:02},images/{name},masks/{name},patient{}\n", i / 3);
    let list: String = names.iter().enumerate().map(row).collect();
    fs::write(here.join("set/list.csv"), format!("id,image,mask,patient\n{list}")).unwrap();
    let keys = [
        "data.kind=list",
        "data.root=set",
        "data.split=list.csv",
        "data.group=patient",
        "data.test_fraction=0.25",
        "data.folds=3",
    ];
    let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    let told = succeed(here, &[&["data", "summary", "tiny.toml"][..], &set].concat());
    assert!(["6 train", "3 val", "3 test"].iter().all(|part| told.contains(part)), "{told}");
    succeed(here, &[&["train", "tiny.toml", "--quiet", "--set", "data.fold=2"][..], &set].concat());
    let bad = run(here, &[&["train", "tiny.toml", "--overwrite", "--set", "data.fold=3"][..], &set].concat());
    assert!(String::from_utf8_lossy(&bad.stderr).contains("data.fold is 3"));
    fs::write(here.join("set/list.csv"), "id,image,mask\na,images/none.png,masks/none.png\n").unwrap();
    let bad = run(here, &[&["train", "tiny.toml", "--overwrite"][..], &set[..4]].concat());
    assert!(String::from_utf8_lossy(&bad.stderr).contains("none.png"));
}

#[test]
fn pages_of_a_stack_are_predicted() {
    let folder = folder();
    let here = folder.path();
    succeed(here, &["train", "tiny.toml", "--quiet", "--set", "train.epochs=1"]);
    let file = fs::File::create(here.join("volume.tif")).unwrap();
    let mut stack = tiff::encoder::TiffEncoder::new(file).unwrap();
    for page in 0..3u8 {
        stack.write_image::<tiff::encoder::colortype::Gray8>(20, 10, &[40 * page; 200]).unwrap();
    }
    drop(stack);
    succeed(here, &["predict", "run", "volume.tif", "--out", "masks"]);
    for page in ["000", "001", "002"] {
        assert_eq!(image::open(here.join(format!("masks/volume_{page}.png"))).unwrap().width(), 20);
    }
}

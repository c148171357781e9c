use std::io::Write;

use super::super::testing::{Nifti, nifti};
use super::super::{Dataset, FolderDataset, FolderOptions, Mask, MaskCoding, Picture, list_pictures};
use super::*;

fn tiny() -> Nifti {
    Nifti { dims: vec![3, 2, 4], ..Nifti::default() }
}

#[test]
fn slices_across_every_axis() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    // A voxel's value tells its place: x + 10 y + 100 z.
    nifti(&path, &Nifti { datatype: 512, ..tiny() }, |i| (i % 3 + 10 * (i / 3 % 2) + 100 * (i / 6)) as f64);
    let range = Range::Given([0.0, 65535.0]);
    for (axis, first, size, values) in [
        (Axis::Z, "z003", (3, 2), vec![300, 301, 302, 310, 311, 312]),
        (Axis::Y, "y001", (3, 4), vec![10, 11, 12, 110, 111, 112, 210, 211, 212, 310, 311, 312]),
        (Axis::X, "x002", (2, 4), vec![2, 12, 102, 112, 202, 212, 302, 312]),
    ] {
        let all = slices(&path, axis).unwrap();
        let slice = slice_of(&path.join(first)).unwrap();
        assert!(all.iter().any(|p| p.ends_with(first)), "{all:?}");
        assert_eq!(slice.dimensions(&path).unwrap(), size);
        assert_eq!(slice.decode(&path, range).unwrap().data, values, "{first}");
    }
    assert!(
        slice_of(&path.join("z004"))
            .unwrap()
            .decode(&path, range)
            .err()
            .unwrap()
            .to_string()
            .contains("4 slices")
    );
    assert!(slice_of(&path.join("007")).is_none() && slice_of(&dir.path().join("z007")).is_none());
}

#[test]
fn all_number_types_in_both_orders_packed_or_not() {
    let dir = tempfile::tempdir().unwrap();
    // Codes of u8, i16, i32, f32, f64, i8, u16, u32, i64, u64.
    for (n, datatype) in [2, 4, 8, 16, 64, 256, 512, 768, 1024, 1280].into_iter().enumerate() {
        for (big_endian, ending) in [(false, "nii"), (true, "nii.gz")] {
            let path = dir.path().join(format!("{n}.{ending}"));
            nifti(&path, &Nifti { datatype, big_endian, ..tiny() }, |i| i as f64);
            let picture = Picture::read_from(&path.join("z001"), 1, Range::Given([0.0, 23.0])).unwrap();
            let wanted: Vec<f32> = (6..12).map(|v| v as f32 / 23.0).collect();
            let close = picture.data.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-4);
            assert!(close, "{datatype} {ending}: {:?}", picture.data);
        }
    }
    let path = dir.path().join("rgb.nii");
    nifti(&path, &Nifti { datatype: 128, ..tiny() }, |i| i as f64);
    let picture = Picture::read(path.join("z000"), 3).unwrap();
    assert!((picture.data[1] - 1.0 / 255.0).abs() < 1e-6, "{:?}", picture.data);
    for datatype in [32, 1536, 7] {
        let path = dir.path().join(format!("{datatype}.nii"));
        nifti(&path, &Nifti { datatype, ..tiny() }, |i| i as f64);
        let message = list_pictures(&path).unwrap_err().to_string();
        assert!(message.contains("convert it to f32"), "{message}");
    }
}

#[test]
fn slope_and_intercept_count_for_pictures_and_labels() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii.gz");
    nifti(&path, &Nifti { datatype: 4, slope: 2.0, intercept: 3.0, ..tiny() }, |i| (i % 2) as f64);
    assert_eq!(RawLabels::of(&path), [3, 5, 3, 5, 3, 5]);
    let picture = Picture::read_from(&path.join("z000"), 1, Range::Given([3.0, 7.0])).unwrap();
    assert!(picture.data[..2].iter().zip([0.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-4));
    // Without a range, the volume's own.
    assert_eq!(Picture::read(path.join("z000"), 1).unwrap().data[..2], [0.0, 1.0]);
}

struct RawLabels;

impl RawLabels {
    fn of(path: &Path) -> Vec<u16> {
        let path = path.join("z000");
        slice_of(&path).unwrap().labels(&path).unwrap().1
    }
}

#[test]
fn one_range_serves_all_slices_and_nan_is_black() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    let value = |i: usize| if i == 7 { f64::NAN } else { i as f64 - 3.0 };
    nifti(&path, &Nifti { datatype: 16, ..tiny() }, value);
    let last = Picture::read(path.join("z003"), 1).unwrap();
    assert!((last.data[5] - 1.0).abs() < 1e-6 && last.data[0] > 0.7, "{:?}", last.data);
    assert_eq!(Picture::read(path.join("z001"), 1).unwrap().data[1], 0.0);
    let labels = Mask::read(path.join("z001"), &MaskCoding::Nonzero).unwrap_err().to_string();
    assert!(labels.contains("holds NaN") && labels.contains("whole numbers"), "{labels}");
    let dark = dir.path().join("b.nii");
    nifti(&dark, &Nifti { datatype: 16, ..tiny() }, |_| f64::NAN);
    assert!(Picture::read(dark.join("z001"), 1).unwrap_err().to_string().contains("no finite value"));
}

#[test]
fn labels_keep_their_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    nifti(&path, &Nifti { datatype: 512, ..tiny() }, |i| [0.0, 4.0, 1605.0][i % 3]);
    let read = |coding| Mask::read(path.join("z000"), &coding).map(|mask| mask.data);
    assert_eq!(read(MaskCoding::Nonzero).unwrap(), [0, 1, 1, 0, 1, 1]);
    assert!(read(MaskCoding::Indices).unwrap_err().to_string().contains("1605"));
    let small = dir.path().join("b.nii.gz");
    nifti(&small, &Nifti { datatype: 8, ..tiny() }, |i| [0.0, 1.0, 4.0][i % 3]);
    let gray = MaskCoding::Colours(vec![([0; 3], 0), ([1; 3], 1), ([4; 3], 2)]);
    assert_eq!(Mask::read(small.join("z002"), &gray).unwrap().data, [0, 1, 2, 0, 1, 2]);
    assert_eq!(Mask::read(small.join("z002"), &MaskCoding::Indices).unwrap().data[..3], [0, 1, 4]);
}

#[test]
fn modalities_are_channels_of_one_volume() {
    let dir = tempfile::tempdir().unwrap();
    for (id, nested) in [("a", "one"), ("b", "two")] {
        let folder = dir.path().join(nested);
        std::fs::create_dir(&folder).unwrap();
        for (m, name) in ["_t1", "_t1ce", "_t2", "_flair"].iter().enumerate() {
            nifti(&folder.join(format!("{id}{name}.nii.gz")), &tiny(), |i| ((i + m) % 5) as f64);
        }
        nifti(&folder.join(format!("{id}_seg.nii.gz")), &tiny(), |i| [0.0, 4.0][i % 2]);
    }
    let options = FolderOptions {
        images: "".into(),
        masks: "".into(),
        mask_pattern: Some("{stem}_seg.nii.gz".into()),
        channels: 4,
        classes: 2,
        coding: MaskCoding::Nonzero,
        volumes: VolumeOptions {
            modalities: ["_t1", "_t1ce", "_t2", "_flair"].map(str::to_owned).to_vec(),
            ..VolumeOptions::default()
        },
        ..FolderOptions::new(dir.path())
    };
    let data = FolderDataset::open(&options).unwrap();
    assert_eq!((data.len(), data.ids()[0], data.ids()[7]), (8, "a_z000", "b_z003"));
    assert_eq!((data.unit(3), data.unit(4), data.file_channels(0)), ("a", "b", Some(4)));
    let sample = data.load(0).unwrap();
    assert_eq!(sample.mask.data, [0, 1, 0, 1, 0, 1]);
    let wanted = [0.0, 0.25, 0.5, 0.75];
    assert!(sample.picture.data[..4].iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-4));
    assert_eq!(sample.picture.resize(6, 4).unwrap().data.len(), 96);
    let member = whole(dir.path().join("two/b_t2.nii.gz"), &options.volumes.modalities).unwrap();
    assert_eq!((stem(&member), files(&member).len()), ("b".to_owned(), 4));
    let wrong = FolderDataset::open(&FolderOptions { channels: 3, ..options.clone() }).unwrap();
    assert!(wrong.load(0).unwrap_err().to_string().contains("set data.channels to 4"));
    nifti(&dir.path().join("two/b_t2.nii.gz"), &Nifti { dims: vec![3, 2, 5], ..tiny() }, |_| 1.0);
    assert!(FolderDataset::open(&options).unwrap_err().to_string().contains("3x2x5"));
    std::fs::remove_file(dir.path().join("two/b_t2.nii.gz")).unwrap();
    assert!(FolderDataset::open(&options).unwrap_err().to_string().contains("companion b_t2.nii.gz"));
}

#[test]
fn a_fourth_dimension_is_channels() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.nii");
    nifti(&path, &Nifti { dims: vec![3, 2, 2, 2], ..Nifti::default() }, |i| i as f64);
    let picture = Picture::read_from(&path.join("z001"), 2, Range::Given([0.0, 23.0])).unwrap();
    assert!(picture.data[..2].iter().zip([6.0 / 23.0, 18.0 / 23.0]).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!(
        Mask::read(path.join("z001"), &MaskCoding::Nonzero).unwrap_err().to_string().contains("2 values")
    );
    // The mask of it is a volume of three dimensions.
    let out = dir.path().join("mask.nii");
    labels_like(&path, Axis::Z, &[vec![1; 6], vec![2; 6]], &out).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(bytes[40..50], [3, 0, 3, 0, 2, 0, 2, 0, 1, 0]);
    assert_eq!(RawLabels::of(&out), [1; 6]);
}

#[test]
fn masks_have_the_header_of_their_volume() {
    let dir = tempfile::tempdir().unwrap();
    for (name, big_endian) in [("a.nii.gz", true), ("b.nii", false)] {
        let path = dir.path().join(name);
        let given = Nifti { datatype: 4, big_endian, extension: vec![7; 48], slope: 0.5, ..tiny() };
        nifti(&path, &given, |i| i as f64);
        let before = bytes(&path);
        assert_eq!(before.len(), 400 + 48);
        for axis in [Axis::X, Axis::Y, Axis::Z] {
            let [width, height, count] = axis.cut([3, 2, 4]);
            let planes: Vec<Vec<u8>> = (0..count).map(|s| vec![s as u8; width * height]).collect();
            let out = dir.path().join(format!("{axis:?}_{name}"));
            labels_like(&path, axis, &planes, &out).unwrap();
            let after = bytes(&out);
            let changed: Vec<usize> = (0..400).filter(|i| before[*i] != after[*i]).collect();
            // Data type, bits and slope; the others that may change were what they become.
            assert!(changed.iter().all(|i| (70..74).contains(i) || (112..116).contains(i)), "{changed:?}");
            assert_eq!(after.len(), 400 + 24);
            for (i, label) in after[400..].iter().enumerate() {
                assert_eq!(usize::from(*label), axis.cut([i % 3, i / 3 % 2, i / 6])[2], "{axis:?} {i}");
            }
            let numbers: Vec<Vec<f32>> =
                planes.iter().map(|p| p.iter().map(|v| f32::from(*v) / 4.0).collect()).collect();
            values_like(&path, axis, &numbers, &out).unwrap();
            let back =
                Picture::read_from(&slices(&out, axis).unwrap()[1], 1, Range::Given([0.0, 1.0])).unwrap();
            assert!(back.data.iter().all(|v| (v - 0.25).abs() < 1e-4));
        }
        assert!(labels_like(&path, Axis::Z, &[vec![0; 6]], &dir.path().join("x.nii")).is_err());
    }
}

fn bytes(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|e| e == "nii") {
        assert_ne!(bytes[..2], [0x1f, 0x8b]);
        return bytes;
    }
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut all).unwrap();
    all
}

#[test]
fn folders_of_volumes_are_paired_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for part in ["images", "masks"] {
        std::fs::create_dir(dir.path().join(part)).unwrap();
        for name in ["p.nii.gz", "q.nii"] {
            nifti(&dir.path().join(part).join(name), &tiny(), |i| (i % 2) as f64);
        }
    }
    let options = FolderOptions { channels: 1, ..FolderOptions::new(dir.path()) };
    let data = FolderDataset::open(&options).unwrap();
    assert_eq!(
        (data.len(), data.ids()[1], data.unit(1), data.coding.clone()),
        (8, "p_z001", "p", MaskCoding::Binary01)
    );
    let across = VolumeOptions { axis: Axis::X, ..VolumeOptions::default() };
    let data = FolderDataset::open(&FolderOptions { volumes: across, ..options.clone() }).unwrap();
    assert_eq!((data.len(), data.ids()[5], data.size(0)), (6, "q_x002", (2, 4)));
    // One volume where a folder is asked for.
    let one =
        FolderOptions { images: "images/q.nii".into(), masks: "masks/p.nii.gz".into(), ..options.clone() };
    let data = FolderDataset::open(&one).unwrap();
    assert_eq!((data.ids(), data.unit(2)), (vec!["z000", "z001", "z002", "z003"], "q"));
    nifti(&dir.path().join("masks/q.nii"), &Nifti { dims: vec![3, 2, 3], ..tiny() }, |_| 1.0);
    assert!(FolderDataset::open(&options).unwrap_err().to_string().contains("3 slices"));
    super::super::testing::gray_png(&dir.path().join("masks/q.png"), 3, 2, |_, _| 0);
    std::fs::remove_file(dir.path().join("masks/q.nii")).unwrap();
    assert!(FolderDataset::open(&options).unwrap_err().to_string().contains("must be a volume"));
}

#[test]
fn damaged_and_foreign_files_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let fails = |name: &str, bytes: &[u8], part: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let message = list_pictures(&path).unwrap_err().to_string();
        assert!(message.contains(part) && message.contains(name), "{message}");
    };
    let path = dir.path().join("good.nii");
    nifti(&path, &Nifti { dims: vec![40, 30, 9], ..Nifti::default() }, |i| (i * i % 251) as f64);
    let good = std::fs::read(&path).unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut all = good.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    };
    fails("cut.nii", &good[..good.len() / 2], "cut short");
    fails("short.nii", &good[..200], "n+1");
    fails("magic.nii", &changed(344, b"abcd"), "n+1");
    fails("pair.nii", &changed(344, b"ni1\0"), "another file");
    fails(
        "two.nii",
        &changed(344, b"abcd")
            .iter()
            .copied()
            .enumerate()
            .map(|(i, b)| if (4..8).contains(&i) { b"n+2\0"[i - 4] } else { b })
            .collect::<Vec<_>>(),
        "NIfTI-2",
    );
    fails("huge.nii", &changed(42, &[0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f]), "cut short");
    fails("none.nii", &changed(42, &[0, 0]), "damaged");
    fails("bits.nii", &changed(72, &[16, 0]), "16 bits");
    fails("far.nii", &changed(108, &f32::NAN.to_le_bytes()), "begin at byte NaN");
    fails("five.nii", &changed(40, &[5, 0, 40, 0, 30, 0, 3, 0, 1, 0, 3, 0]), "four are read");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&good).unwrap();
    let packed = packed.finish().unwrap();
    fails("cut.nii.gz", &packed[..packed.len() / 2], "cut short");
    fails(
        "spoiled.nii.gz",
        &packed.iter().enumerate().map(|(i, b)| if i > 40 { !b } else { *b }).collect::<Vec<_>>(),
        "damaged",
    );
    let message = Picture::read(&path, 1).unwrap_err().to_string();
    assert!(message.contains("is a volume"), "{message}");
}

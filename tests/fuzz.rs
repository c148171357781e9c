//! A thousand broken inputs for every reader: none may panic, take memory beyond reason, or fail without saying
//! where and why.
#![cfg(feature = "cli")]

mod common;
#[path = "../src/data/testing/medical.rs"]
mod medical;

use std::{
    fs,
    io::Cursor,
    path::Path,
    sync::{Mutex, PoisonError},
};

use common::pth;
use gyre::{
    Error,
    data::{Mask, MaskCoding, Picture, decide_coding, list_pictures},
    io::{
        torch,
        weights::{self, Tensor, TensorMap},
    },
    train::{Progress, Saved, config::Config},
};
use image::{DynamicImage, ImageFormat};
use medical::{Dicom, Nifti};
use peak_alloc::PeakAlloc;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
/// Memory is counted for the whole process, so that readers are tried one after another.
static ALONE: Mutex<()> = Mutex::new(());

const INPUTS: u64 = 1000;
/// More than this for a file of some kilobytes is beyond reason.
const MOST_MIB: f32 = 600.0;

/// `good` with some of it changed: bits turned, bytes set, cut, doubled, swapped or put in.
fn broken(good: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = rng.random_range(0..bytes.len());
        let to = rng.random_range(at..bytes.len().min(at + 16) + 1).min(bytes.len());
        match rng.random_range(0..8) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes[at..to].fill(0xff),
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..to)),
            5 => drop(bytes.splice(at..at, good[at.min(good.len())..to.min(good.len())].to_vec())),
            6 => {
                let number: u32 = [0, 1, 0x7fff_ffff, 0xffff_ffff, 1 << 20][rng.random_range(0..5)];
                let number = if rng.random() { number.to_be_bytes() } else { number.to_le_bytes() };
                bytes.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = new);
            }
            _ => drop(bytes.splice(at..at, (0..rng.random_range(1..64)).map(|_| 0u8))),
        }
    }
    bytes
}

/// Breaks the `good` inputs in turn and has `read` take each; its errors must name the file, where there is one.
fn fuzz(good: &[Vec<u8>], name: &str, read: impl Fn(&Path, &[u8]) -> Result<(), Error>) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut refused = 0;
    for seed in 0..INPUTS {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bytes = broken(&good[seed as usize % good.len()], &mut rng);
        fs::write(&path, &bytes).unwrap();
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage_as_mb();
        let outcome = read(&path, &bytes);
        let taken = MEMORY.peak_usage_as_mb() - before;
        assert!(taken < MOST_MIB, "{name} {seed}: {taken} MiB for {} bytes", bytes.len());
        if let Err(error) = outcome {
            refused += 1;
            let message = error.to_string();
            let named = matches!(error, Error::Config(_)) || message.contains(name);
            assert!(named && message.len() > 20, "{name} {seed}: {message:?}");
        }
    }
    // What never fails was not broken, and what always does was never read.
    assert!((INPUTS / 20..INPUTS).contains(&refused), "{name}: {refused} of {INPUTS} were refused");
}

fn picture(width: u32, height: u32, format: ImageFormat, gray: bool) -> Vec<u8> {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 5) as u8, (x * y) as u8]);
    let picture = DynamicImage::ImageRgb8(image::RgbImage::from_fn(width, height, pixel));
    let picture = if gray { DynamicImage::ImageLuma16(picture.to_luma16()) } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn configs() {
    let preset = gyre::train::config::presets::text("r2attunet-ftl").unwrap();
    let whole = Config::from_toml(preset, &[]).unwrap().to_toml().unwrap();
    let losses = "loss = [{ name = \"bce\", weight = 1 }, { name = \"dice\" }]\n[data]\nnormalise = { mean = [0.5], std = [0.25] }\n";
    let good = [preset, &whole, losses].map(|text| text.as_bytes().to_vec());
    fuzz(&good, "config.toml", |path, bytes| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let overridden = Config::from_toml("", &[text]);
        assert!(matches!(overridden, Ok(_) | Err(Error::Config(_))));
        Config::load(path, &[]).map(drop)
    });
}

#[test]
fn checkpoints() {
    let tensor = |shape: &[usize]| {
        let data = (0..shape.iter().product()).map(|i: usize| i as f32).collect();
        Tensor { shape: shape.to_vec(), data }
    };
    let map: TensorMap =
        [("head.weight", tensor(&[2, 3, 3, 3])), ("head.bias", tensor(&[2])), ("none", tensor(&[0]))]
            .map(|(name, tensor)| (name.to_owned(), tensor))
            .into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("good.safetensors");
    let mut run = map.clone();
    run.extend([
        ("optimizer/exp_avg.head.weight".into(), tensor(&[54])),
        // As large as those of small networks.
        ("decoder.weight".into(), tensor(&[40, 20, 3, 3])),
    ]);
    let optim = vec![("mu_product".to_owned(), 0.5f64.to_bits())];
    let progress = Progress { epoch: 3, best: Some(0.25), losses: (1.5, 2), optim, ..Progress::default() };
    weights::write(&path, &run, &serde_json::to_string(&progress).unwrap()).unwrap();
    let resumable = fs::read(&path).unwrap();
    Saved::read(&path).unwrap();
    weights::write(&path, &map, "{\"epoch\":3}").unwrap();
    let weights_alone = fs::read(path).unwrap();
    fuzz(&[weights_alone, resumable], "broken.safetensors", |path, _| {
        let read = weights::read(path).map(drop);
        let resumed = Saved::read(path).map(drop);
        assert!(read.is_ok() || resumed.is_err());
        read.and(resumed)
    });
}

#[test]
fn torch_checkpoints() {
    let shared = pth::Storage::floats("0", &[0.5; 700]);
    let half = pth::Storage::new("HalfStorage", "1", &[[0x00, 0x3c]; 40]);
    let state = pth::dict(vec![
        ("module.a.weight", shared.dense(&[7, 100])),
        ("module.a.turned", shared.view(3, &[5, 6], &[1, 100])),
        ("module.bias", half.dense(&[40])),
    ]);
    let object = pth::dict(vec![("epoch", pth::Py::Int(3)), ("state_dict", state)]);
    let storages = [&shared, &half];
    let packed = pth::zip(&pth::parts(&object, &storages), zip::CompressionMethod::Deflated);
    let good = [pth::zip_form(&object, &storages), pth::old_form(&object, &storages), packed];
    for (form, good) in ["zip.pth", "old.pth", "packed.pth"].into_iter().zip(good) {
        fuzz(&[good], form, |path, _| torch::read(path, None).map(drop));
    }
}

#[test]
fn pictures() {
    use ImageFormat::{Jpeg, Png, Tiff};
    let good = [
        picture(19, 13, Png, false),
        picture(19, 13, Jpeg, false),
        picture(19, 13, Tiff, false),
        picture(8, 40, Png, true),
        picture(8, 40, Tiff, true),
        picture(150, 120, Png, false),
        picture(300, 200, Jpeg, false),
        picture(130, 110, Tiff, false),
    ];
    assert!(good[5..].iter().all(|bytes| (15_000..60_000).contains(&bytes.len())), "tens of kilobytes");
    fuzz(&good, "picture.png", |path, _| {
        let channels = if path.metadata().map_or(0, |m| m.len()) % 2 == 0 { 1 } else { 3 };
        Picture::read(path, channels).map(drop)
    });
}

#[test]
fn stacks() {
    let mut stack = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut stack).unwrap();
    for page in 0..3u8 {
        encoder.write_image::<tiff::encoder::colortype::Gray8>(9, 5, &[page; 45]).unwrap();
    }
    let mut large = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut large).unwrap();
    for page in 0..2u8 {
        encoder.write_image::<tiff::encoder::colortype::RGB8>(90, 80, &[page; 21_600]).unwrap();
    }
    fuzz(&[stack.into_inner(), large.into_inner()], "stack.tif", |path, _| {
        list_pictures(path)?.iter().try_for_each(|page| Picture::read(page, 1).map(drop))
    });
}

#[test]
fn masks() {
    let gray = |values: fn(u32, u32) -> u8| {
        let mut bytes = Cursor::new(Vec::new());
        let mask = image::GrayImage::from_fn(17, 11, |x, y| image::Luma([values(x, y)]));
        mask.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let good = [
        gray(|x, y| 255 * u8::from(x > y)),
        gray(|x, _| u8::from(x > 3)),
        picture(6, 6, ImageFormat::Png, false),
        picture(150, 120, ImageFormat::Png, false),
    ];
    fuzz(&good, "mask.png", |path, _| {
        let coding = decide_coding(&[path.to_path_buf()], 2, &MaskCoding::Auto)?;
        Mask::read(path, &coding)?;
        Mask::read(path, &MaskCoding::Colours(vec![([0; 3], 0), ([255; 3], 1)])).map(drop)
    });
}

#[test]
fn volumes() {
    let folder = tempfile::tempdir().unwrap();
    let one = |name: &str, about: Nifti| {
        let path = folder.path().join(name);
        medical::nifti(&path, &about, |i| (i % 7) as f64);
        fs::read(path).unwrap()
    };
    let small = one("a.nii", Nifti { dims: vec![5, 4, 3], datatype: 4, ..Nifti::default() });
    let large = Nifti { dims: vec![30, 20, 12, 2], datatype: 16, extension: vec![1; 64], ..Nifti::default() };
    let raw = [small, one("b.nii", large.clone()), one("c.nii", Nifti { big_endian: true, ..large.clone() })];
    let packed = [one("a.nii.gz", Nifti::default()), one("b.nii.gz", large)];
    let read = |path: &Path, _: &[u8]| -> Result<(), Error> {
        for slice in list_pictures(path)? {
            Picture::read(&slice, 1).or_else(|_| Picture::read(&slice, 2)).map(drop)?;
            Mask::read(&slice, &MaskCoding::Nonzero)?;
        }
        Ok(())
    };
    fuzz(&raw, "volume.nii", read);
    fuzz(&packed, "volume.nii.gz", read);
}

#[test]
fn dicom() {
    let gray = |bits| {
        Dicom::gray(6, 5, bits, true, "MONOCHROME1").text(0x1050, b"DS", "40").text(0x1051, b"DS", "80")
    };
    let good = [
        gray(8).bytes8(&[7; 30]),
        gray(16).text(0x1053, b"DS", "0.5").text(0x1052, b"DS", "-9").bytes16(&[300; 30]),
        Dicom::gray(40, 50, 8, false, "RGB").bytes8(&[99; 6000]),
        [(0x0002, 1), (0x0010, 6), (0x0011, 5), (0x0100, 8), (0x0101, 8), (0x0102, 7), (0x0103, 0)]
            .into_iter()
            .fold(Dicom::new(true).text(0x0004, b"CS", "MONOCHROME2"), |d, (element, v)| d.number(element, v))
            .bytes8(&[3; 30]),
    ];
    fuzz(&good, "picture.dcm", |path, _| {
        Picture::read(path, 1)?;
        Mask::read(path, &MaskCoding::Nonzero).or_else(|_| Mask::ranked(path)).map(drop)
    });
}

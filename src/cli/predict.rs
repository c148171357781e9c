//! `gyre predict`: masks of pictures, at their own size.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::{Precision, say};
use crate::{
    Error, Result,
    data::{MaskCoding, Picture, list_nested_pictures, list_pictures},
    gpu::Context,
    infer::{Looks, Mapper, Whole},
    io::atomic::write_atomic,
    train::{
        Setup,
        config::{Config, Size},
        trained, written_coding,
    },
};

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Run folder, or config file (then with --weights).
    config: PathBuf,
    /// Pictures, folders of pictures, or folders of folders <id>/images.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Folder for the masks, `<name>.png`.
    #[arg(long)]
    out: PathBuf,
    /// Weights to use; without it the run folder's snapshots, best, or last. Given several times the models' probabilities are
    /// averaged, as of folds or of checkpoints of a run.
    #[arg(long, value_name = "FILE")]
    weights: Vec<PathBuf>,
    #[command(flatten)]
    looks: LooksArgs,
    /// What is written of each picture.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "mask")]
    write: Vec<Product>,
    /// Probability from which a pixel is class 1 (binary models); without it the config's.
    #[arg(long)]
    threshold: Option<f32>,
    /// How activations are stored.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// Replaces files that are in the way.
    #[arg(long)]
    overwrite: bool,
    /// Overrides a key.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// How pictures are looked at.
#[derive(Debug, Args)]
pub struct LooksArgs {
    /// Averages over each tile as it is and flipped across, down, and both.
    #[arg(long)]
    flips: bool,
    /// Share of a tile's side that it has in common with the next, where the config cuts tiles.
    #[arg(long, default_value_t = 0.25)]
    overlap: f64,
}

impl LooksArgs {
    /// Checked.
    ///
    /// # Errors
    /// [`Error::Config`] for an overlap that leaves no way from tile to tile.
    pub fn read(&self) -> Result<Looks> {
        if !(0.0..1.0).contains(&self.overlap) {
            let message = format!("--overlap must be at least 0 and below 1, got {}", self.overlap);
            return Err(Error::Config(message));
        }
        Ok(Looks { overlap: self.overlap, flips: self.flips, ..Looks::default() })
    }
}

/// What may be written of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Product {
    /// `<name>.png`: the mask, coded as the data set's.
    Mask,
    /// `<name>_classes.png`: class numbers as they are.
    Classes,
    /// `<name>_p.png`: 16-bit probabilities of class 1 of a binary model; else of each class, `<name>_p<class>.png`.
    Probability,
    /// The same as TIFF: `<name>_p.tif`, `<name>_p<class>.tif`.
    ProbabilityTiff,
    /// `<name>.npy`: all probabilities as f32, `[height, width, classes]`.
    Npy,
    /// `<name>_overlay.png`: the picture with the outlines of what was found.
    Overlay,
}

/// Predicts; a picture that cannot be read is reported and the rest done.
///
/// # Errors
/// What config, weights or device raise.
pub fn predict(context: &Arc<Context>, args: &PredictArgs) -> Result<u8> {
    let file = super::ConfigFile { config: Some(args.config.clone()), preset: None, set: args.set.clone() };
    let config = file.load()?;
    let setup = Setup::new(&config)?;
    let looks = args.looks.read()?;
    let threshold = args.threshold.unwrap_or(config.train.threshold as f32);
    if !(0.0..=1.0).contains(&threshold) {
        return Err(Error::Config(format!("--threshold must be between 0 and 1, got {threshold}")));
    }
    let pictures = gather(&args.inputs)?;
    let channels = setup.model.out_channels;
    let suffixes: Vec<String> = args.write.iter().flat_map(|product| product.suffixes(channels)).collect();
    spare_files(&pictures, &args.out, &suffixes, args.overwrite)?;
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out))?;
    let mixed = args.precision == Precision::Mixed;
    let predictors = trained(context, &setup, &config, &args.weights)?;
    let predictors = predictors.into_iter().map(|p| p.mixed(mixed)).collect();
    let whole = Whole::new(predictors, setup.fit, setup.normalise.clone(), config.train.batch);
    let mut whole = whole.looking(looks);
    let bar = ProgressBar::new(pictures.len() as u64);
    map_all(&mut whole, &config, &pictures, (&args.out, &args.write), threshold, &bar)
}

/// Predicts pictures and writes what is wanted of each to a folder. Status 1 if some failed.
///
/// # Errors
/// What the device raises.
pub(super) fn map_all(
    mapper: &mut dyn Mapper,
    config: &Config,
    pictures: &[PathBuf],
    (out, products): (&Path, &[Product]),
    threshold: f32,
    bar: &ProgressBar,
) -> Result<u8> {
    let mut failed = 0;
    for path in pictures {
        match one(mapper, config, path, out, products, threshold) {
            Ok(()) => {}
            // The device is at fault, not the picture: the rest would fail too.
            Err(e @ (Error::Device(_) | Error::OutOfMemory(_) | Error::Shader { .. })) => return Err(e),
            Err(e) => {
                failed += 1;
                bar.suspend(|| eprintln!("gyre: {e}"));
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    say!("{} masks in {}", pictures.len() - failed, out.display());
    if failed > 0 {
        eprintln!("gyre: {failed} of {} pictures failed", pictures.len());
    }
    Ok(u8::from(failed > 0))
}

/// All pictures of files and folders; no two may have one name.
///
/// # Errors
/// [`Error::Data`] for a folder without pictures, [`Error::Config`] for two of one name.
pub(super) fn gather(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut found = list_pictures(input)?;
            if found.is_empty() {
                found = list_nested_pictures(input)?;
            }
            if found.is_empty() {
                let message = "holds no .png, .jpg, .jpeg, .tif or .tiff, nor folders <id>/images of such";
                return Err(Error::data(input, message));
            }
            all.extend(found);
        } else if stack_pages(input) > 1 {
            all.extend(list_pictures(input)?);
        } else {
            all.push(input.clone());
        }
    }
    let mut names: Vec<_> = all.iter().filter_map(|path| called(path)).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
        let name = twice[0].to_string_lossy();
        return Err(Error::Config(format!(
            "two pictures are called {name}; their masks would have one name"
        )));
    }
    Ok(all)
}

/// Pages of a TIFF file; 0 for what is none, or is damaged, which is reported when it is read.
fn stack_pages(path: &Path) -> usize {
    let is_tiff =
        path.extension().is_some_and(|e| ["tif", "tiff"].iter().any(|tiff| e.eq_ignore_ascii_case(tiff)));
    if is_tiff { list_pictures(path).map_or(0, |pages| pages.len()) } else { 0 }
}

/// What the masks of a picture are called: by its name, or, for a page of a stack, `<stack>_<page>`.
fn called(picture: &Path) -> Option<OsString> {
    let mut name = picture.file_stem()?.to_os_string();
    if let Some(stack) = picture.parent().filter(|parent| parent.is_file()) {
        let page = std::mem::replace(&mut name, stack.file_stem()?.to_os_string());
        name.push("_");
        name.push(page);
    }
    Some(name)
}

/// Where a product of `picture` goes; `suffix` follows the picture's name.
pub(super) fn product_path(picture: &Path, out: &Path, suffix: &str) -> Result<PathBuf> {
    let mut name = called(picture).ok_or_else(|| Error::data(picture, "has no file name"))?;
    name.push(suffix);
    Ok(out.join(name))
}

impl Product {
    /// What follows the picture's name, for a model of this many output channels.
    pub fn suffixes(self, channels: usize) -> Vec<String> {
        match self {
            Self::Mask => vec![".png".into()],
            Self::Classes => vec!["_classes.png".into()],
            Self::Probability => probability_suffixes(channels, "png"),
            Self::ProbabilityTiff => probability_suffixes(channels, "tif"),
            Self::Npy => vec![".npy".into()],
            Self::Overlay => vec!["_overlay.png".into()],
        }
    }
}

fn probability_suffixes(channels: usize, extension: &str) -> Vec<String> {
    match channels {
        1 => vec![format!("_p.{extension}")],
        _ => (0..channels).map(|class| format!("_p{class}.{extension}")).collect(),
    }
}

/// What is written never replaces the pictures it is of, and other files only where that is asked for.
///
/// # Errors
/// [`Error::Config`] naming the file.
pub(super) fn spare_files(
    pictures: &[PathBuf],
    out: &Path,
    suffixes: &[String],
    overwrite: bool,
) -> Result<()> {
    let known: HashSet<PathBuf> = pictures.iter().filter_map(|p| p.canonicalize().ok()).collect();
    let mut all = HashSet::new();
    for (picture, suffix) in pictures.iter().flat_map(|p| suffixes.iter().map(move |s| (p, s))) {
        let file = product_path(picture, out, suffix)?;
        if !all.insert(file.clone()) {
            let file = file.display();
            return Err(Error::Config(format!(
                "{file} would be written for two pictures; rename one of them"
            )));
        }
        if file.canonicalize().is_ok_and(|file| known.contains(&file)) {
            let (file, picture) = (file.display(), picture.display());
            return Err(Error::Config(format!(
                "what is made of {picture} would replace the picture {file}; give another --out"
            )));
        }
        if file.exists() && !overwrite {
            let file = file.display();
            return Err(Error::Config(format!(
                "{file} is there already; give another --out, or --overwrite"
            )));
        }
    }
    Ok(())
}

fn one(
    mapper: &mut dyn Mapper,
    config: &Config,
    path: &Path,
    out: &Path,
    products: &[Product],
    threshold: f32,
) -> Result<()> {
    let picture = Picture::read(path, config.data.channels)?;
    let seen = match config.data.resized() {
        Some(Size { height, width }) => picture.resize(width, height)?,
        None => picture.clone(),
    };
    let map = mapper.map(&seen, None)?.resize(picture.width, picture.height)?;
    let mask = map.mask(threshold);
    for product in products {
        let files = product.suffixes(map.channels).into_iter().map(|s| product_path(path, out, &s));
        for (class, file) in files.enumerate() {
            let file = file?;
            match product {
                Product::Mask => mask.write_png(file, &written_coding(config))?,
                Product::Classes => mask.write_png(file, &MaskCoding::Indices)?,
                Product::Probability | Product::ProbabilityTiff => map.write_gray16(class, &file)?,
                Product::Npy => write_atomic(file, &map.npy())?,
                Product::Overlay => mask.outlined(&picture).write_png(file)?,
            }
        }
    }
    Ok(())
}

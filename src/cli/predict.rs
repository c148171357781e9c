//! `gyre predict`: masks of pictures, at their own size, and of volumes, slice by slice.

mod volumes;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::{Precision, say};
use crate::{
    Error, Result,
    data::{
        Mask, MaskCoding, Picture, VolumeOptions, find_pictures, list_nested_pictures, list_pictures,
        picture_name,
        volume::{self, is_volume},
    },
    gpu::Context,
    infer::{Looks, Mapper, Probabilities, Whole},
    io::atomic::write_atomic,
    train::{
        self, Setup,
        config::{Config, Size},
        trained, written_coding,
    },
};

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Run folder, or config file (then with --weights).
    config: PathBuf,
    /// Pictures, NIfTI volumes, folders of such, or folders of folders <id>/images.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// Folder for the masks, `<name>.png`; of a volume `<name>.nii` or `<name>.nii.gz`, as it is itself.
    #[arg(long)]
    out: PathBuf,
    /// Weights to use, or a run folder whose they are; without it the run folder's snapshots, best, or last, and of a
    /// cross-validation those of all folds. Given several times the models' probabilities are averaged.
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
    /// `<name>.png`: the mask, coded as the data set's. Of a volume `<name>.nii` or `.nii.gz` with its header, of class
    /// numbers or, where the config gives gray colours, those.
    Mask,
    /// `<name>_classes.png`: class numbers as they are. Of a volume `<name>_classes.nii`.
    Classes,
    /// `<name>_p.png`: 16-bit probabilities of class 1 of a binary model; else of each class, `<name>_p<class>.png`. Of a
    /// volume in f32, `<name>_p.nii`.
    Probability,
    /// The same as TIFF: `<name>_p.tif`, `<name>_p<class>.tif`.
    ProbabilityTiff,
    /// `<name>.npy`: all probabilities as f32, `[height, width, classes]`. Of a volume for each slice.
    Npy,
    /// `<name>_overlay.png`: the picture with the outlines of what was found. Of a volume for each slice.
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
    let options = train::volumes(&config.data);
    let pictures = gather(&args.inputs, &options)?;
    let channels = setup.model.out_channels;
    spare_pictures(&pictures, (&args.out, &args.write), channels, &options, args.overwrite)?;
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out))?;
    let mixed = args.precision == Precision::Mixed;
    let predictors = trained(context, &setup, &config, &args.weights)?;
    let predictors = predictors.into_iter().map(|p| p.mixed(mixed)).collect();
    let whole = Whole::new(predictors, setup.fit, setup.normalise.clone(), config.train.batch);
    let mut whole = whole.looking(looks);
    let bar = ProgressBar::new(pictures.len() as u64);
    let wanted = Wanted { config: &config, out: &args.out, products: &args.write, threshold };
    map_all(&mut whole, &wanted, &pictures, &bar)
}

/// What is to be written of pictures.
pub(super) struct Wanted<'a> {
    /// How pictures are read, and masks coded.
    pub config: &'a Config,
    /// The folder.
    pub out: &'a Path,
    /// The files.
    pub products: &'a [Product],
    /// From what probability on a pixel is class 1 of a binary model.
    pub threshold: f32,
}

/// Predicts pictures and writes what is wanted of each to a folder. Status 1 if some failed.
///
/// # Errors
/// What the device raises.
pub(super) fn map_all(
    mapper: &mut dyn Mapper,
    wanted: &Wanted<'_>,
    pictures: &[PathBuf],
    bar: &ProgressBar,
) -> Result<u8> {
    let mut failed = 0;
    for path in pictures {
        let done = match is_volume(path) {
            true => volumes::one(mapper, wanted, path),
            false => one(mapper, wanted, path),
        };
        match done {
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
    say!("{} masks in {}", pictures.len() - failed, wanted.out.display());
    if failed > 0 {
        eprintln!("gyre: {failed} of {} pictures failed", pictures.len());
    }
    Ok(u8::from(failed > 0))
}

/// All pictures of files and folders, volumes as one; no two may have one name.
///
/// # Errors
/// [`Error::Data`] for a folder without pictures, [`Error::Config`] for two of one name.
pub(super) fn gather(inputs: &[PathBuf], volumes: &VolumeOptions) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut found = find_pictures(input, volumes)?;
            if found.is_empty() {
                found = list_nested_pictures(input)?;
            }
            if found.is_empty() {
                let message = "holds no .png, .jpg, .jpeg, .tif, .tiff, .dcm, .nii or .nii.gz, nor folders <id>/images of \
                               such";
                return Err(Error::data(input, message));
            }
            all.extend(found);
        } else if is_volume(input) {
            let whole = volume::whole(input.clone(), &volumes.modalities)?;
            // Each of its files names a volume of several.
            if volumes.modalities.is_empty() || !all.contains(&whole) {
                all.push(whole);
            }
        } else if stack_pages(input) > 1 {
            all.extend(list_pictures(input)?);
        } else {
            all.push(input.clone());
        }
    }
    let mut names: Vec<_> = all.iter().filter_map(|path| picture_name(path)).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
        let name = &twice[0];
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

/// Where a product of `picture` goes; `suffix` follows the picture's name.
pub(super) fn product_path(picture: &Path, out: &Path, suffix: &str) -> Result<PathBuf> {
    let name = picture_name(picture).ok_or_else(|| Error::data(picture, "has no file name"))?;
    Ok(out.join(name + suffix))
}

impl Product {
    /// The files of a picture or volume, for a model of this many output channels.
    pub fn files(
        self,
        picture: &Path,
        out: &Path,
        channels: usize,
        options: &VolumeOptions,
    ) -> Result<Vec<PathBuf>> {
        let path = |suffix: &String| product_path(picture, out, suffix);
        if !is_volume(picture) {
            return self.suffixes(channels).iter().map(path).collect();
        }
        if self.is_of_slices() {
            // One that cannot be read is reported when its turn comes.
            let slices = volume::slices(picture, options.axis).unwrap_or_default();
            let suffixes = self.suffixes(channels);
            let all =
                slices.iter().flat_map(|slice| suffixes.iter().map(move |s| product_path(slice, out, s)));
            return all.collect();
        }
        let extension = volume::written_extension(picture);
        let stem =
            |suffix: String| suffix.rsplit_once('.').map_or(String::new(), |(stem, _)| stem.to_owned());
        self.suffixes(channels).into_iter().map(|suffix| path(&(stem(suffix) + extension))).collect()
    }

    /// Whether a volume has such a file for each slice.
    fn is_of_slices(self) -> bool {
        matches!(self, Self::Npy | Self::Overlay)
    }

    /// What follows a picture's name, for a model of this many output channels.
    fn suffixes(self, channels: usize) -> Vec<String> {
        match self {
            Self::Mask => vec![".png".into()],
            Self::Classes => vec!["_classes.png".into()],
            Self::Probability => probability_suffixes(channels, "png"),
            Self::ProbabilityTiff => probability_suffixes(channels, "tif"),
            Self::Npy => vec![".npy".into()],
            Self::Overlay => vec!["_overlay.png".into()],
        }
    }

    /// Writes what is seen of one picture, or slice.
    fn write(self, seen: &Seen<'_>, config: &Config, out: &Path) -> Result<()> {
        let Seen { path, picture, map, mask } = seen;
        let files = self.suffixes(map.channels).into_iter().map(|s| product_path(path, out, &s));
        for (class, file) in files.enumerate() {
            let file = file?;
            match self {
                Self::Mask => mask.write_png(file, &written_coding(config))?,
                Self::Classes => mask.write_png(file, &MaskCoding::Indices)?,
                Self::Probability | Self::ProbabilityTiff => map.write_gray16(class, &file)?,
                Self::Npy => write_atomic(file, &map.npy())?,
                Self::Overlay => mask.outlined(picture).write_png(file)?,
            }
        }
        Ok(())
    }
}

fn probability_suffixes(channels: usize, extension: &str) -> Vec<String> {
    match channels {
        1 => vec![format!("_p.{extension}")],
        _ => (0..channels).map(|class| format!("_p{class}.{extension}")).collect(),
    }
}

/// As [`spare_files`], of all `products` of pictures that a model of so many output channels makes in `out`.
///
/// # Errors
/// [`Error::Config`] naming the file.
pub(super) fn spare_pictures(
    pictures: &[PathBuf],
    (out, products): (&Path, &[Product]),
    channels: usize,
    options: &VolumeOptions,
    overwrite: bool,
) -> Result<()> {
    let mut files = Vec::new();
    for (picture, product) in pictures.iter().flat_map(|p| products.iter().map(move |product| (p, product))) {
        let made = product.files(picture, out, channels, options)?;
        files.extend(made.into_iter().map(|file| (picture.as_path(), file)));
    }
    spare_files(&files, overwrite)
}

/// What is written never replaces the pictures it is of, and other files only where that is asked for. `files`: a picture
/// and a file that is to be made of it, each.
///
/// # Errors
/// [`Error::Config`] naming the file.
pub(super) fn spare_files(files: &[(&Path, PathBuf)], overwrite: bool) -> Result<()> {
    let sources = files.iter().flat_map(|(picture, _)| volume::files(picture));
    let known: HashSet<PathBuf> = sources.filter_map(|p| p.canonicalize().ok()).collect();
    let mut all = HashSet::new();
    for (picture, file) in files {
        if !all.insert(file) {
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

/// A picture, or slice, and what was found in it.
struct Seen<'a> {
    path: &'a Path,
    picture: Picture,
    map: Probabilities,
    mask: Mask,
}

impl<'a> Seen<'a> {
    fn of(mapper: &mut dyn Mapper, wanted: &Wanted<'_>, path: &'a Path) -> Result<Self> {
        let data = &wanted.config.data;
        let picture = Picture::read_from(path, data.channels, data.range)?;
        let map = match data.resized() {
            Some(Size { height, width }) => {
                let map = mapper.map(&picture.resize(width, height)?, None)?;
                map.resize(picture.width, picture.height)?
            }
            None => mapper.map(&picture, None)?,
        };
        let mask = map.mask(wanted.threshold);
        Ok(Self { path, picture, map, mask })
    }
}

fn one(mapper: &mut dyn Mapper, wanted: &Wanted<'_>, path: &Path) -> Result<()> {
    let seen = Seen::of(mapper, wanted, path)?;
    wanted.products.iter().try_for_each(|product| product.write(&seen, wanted.config, wanted.out))
}

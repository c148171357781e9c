//! `gyre predict`: masks of pictures, at their own size.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use indicatif::ProgressBar;

use super::{Precision, run::trained, say};
use crate::{
    Error, Result,
    data::{Picture, list_nested_pictures, list_pictures},
    gpu::Context,
    infer::{Predictor, Whole},
    train::{Setup, config::Config, written_coding},
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
    /// Weights to use; without it the run folder's best, or last.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
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

/// Predicts; a picture that cannot be read is reported and the rest done.
///
/// # Errors
/// What config, weights or device raise.
pub fn predict(context: &Arc<Context>, args: &PredictArgs) -> Result<u8> {
    let file = super::ConfigFile { config: Some(args.config.clone()), preset: None, set: args.set.clone() };
    let config = file.load()?;
    let setup = Setup::new(&config)?;
    let weights = trained(context, &setup, &config, args.weights.as_ref())?;
    let threshold = args.threshold.unwrap_or(config.train.threshold as f32);
    if !(0.0..=1.0).contains(&threshold) {
        return Err(Error::Config(format!("--threshold must be between 0 and 1, got {threshold}")));
    }
    let pictures = gather(&args.inputs)?;
    spare_files(&pictures, args)?;
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out))?;
    let mixed = args.precision == Precision::Mixed;
    let predictor = Predictor::new(&setup.model, &weights, setup.size).mixed(mixed);
    let mut whole = Whole::new(predictor, setup.fit, setup.normalise.clone(), config.train.batch);
    let bar = ProgressBar::new(pictures.len() as u64);
    let mut failed = 0;
    for path in &pictures {
        match one(&mut whole, &config, path, &args.out, threshold) {
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
    say!("{} masks in {}", pictures.len() - failed, args.out.display());
    if failed > 0 {
        eprintln!("gyre: {failed} of {} pictures failed", pictures.len());
    }
    Ok(u8::from(failed > 0))
}

fn gather(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
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
        } else {
            all.push(input.clone());
        }
    }
    let mut names: Vec<_> = all.iter().filter_map(|p| p.file_stem()).collect();
    names.sort();
    if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
        let name = twice[0].to_string_lossy();
        return Err(Error::Config(format!(
            "two pictures are called {name}; their masks would have one name"
        )));
    }
    Ok(all)
}

/// Where the mask of `picture` goes.
fn mask_path(picture: &Path, out: &Path) -> Result<PathBuf> {
    let name = picture.file_stem().ok_or_else(|| Error::data(picture, "has no file name"))?;
    let mut name = name.to_os_string();
    name.push(".png");
    Ok(out.join(name))
}

/// Masks never replace the pictures they are of, and other files only where that is asked for.
fn spare_files(pictures: &[PathBuf], args: &PredictArgs) -> Result<()> {
    let known: HashSet<PathBuf> = pictures.iter().filter_map(|p| p.canonicalize().ok()).collect();
    for picture in pictures {
        let mask = mask_path(picture, &args.out)?;
        if mask.canonicalize().is_ok_and(|mask| known.contains(&mask)) {
            let (mask, picture) = (mask.display(), picture.display());
            return Err(Error::Config(format!(
                "the mask of {picture} would replace the picture {mask}; give another --out"
            )));
        }
        if mask.exists() && !args.overwrite {
            let mask = mask.display();
            return Err(Error::Config(format!(
                "{mask} is there already; give another --out, or --overwrite"
            )));
        }
    }
    Ok(())
}

fn one(whole: &mut Whole, config: &Config, path: &Path, out: &Path, threshold: f32) -> Result<()> {
    let picture = Picture::read(path, config.data.channels)?;
    let mask = whole.predict(&picture)?.mask(threshold);
    mask.write_png(mask_path(path, out)?, &written_coding(config))
}

//! `gyre descend`: how the beliefs of pictures descend an energy, to be looked at.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use super::{
    ConfigFile,
    predict::{gather, product_path, spare_files},
    say,
};
use crate::{
    Error, Result,
    data::{
        Fit, Mask, Picture, PixelNoise,
        volume::{is_volume, slices},
    },
    gpu::Context,
    graph::Shape,
    infer::{Follower, Trail},
    io::{atomic::write_atomic, weights::TensorMap},
    models::{Descent, Energy},
    report::descent::{ComponentGraph, Film, Raster, energy_csv, energy_curves},
    train::{
        self, Setup, Undescended,
        config::{Config, EnergyName},
        kept,
    },
};

/// Frames of a film where --every is not given, at most.
const FRAMES: usize = 120;
/// What is written of each picture.
const FILM: &str = "_descent.png";
const CURVE: &str = "_energy.svg";
const NUMBERS: &str = "_energy.csv";
const GRAPH: &str = "_graph.png";

#[derive(Debug, Args)]
pub struct DescendArgs {
    /// Run folder, config file (then with --weights) or checkpoint in a run folder, and then pictures or folders of pictures; with
    /// --mask, one picture alone.
    #[arg(required = true, value_name = "RUN|PICTURE")]
    inputs: Vec<PathBuf>,
    /// Folder for what is made: the film <name>_descent.png (an animated PNG), the energies <name>_energy.svg and .csv, and where
    /// the energy has one, the component graph <name>_graph.png.
    #[arg(long)]
    out: PathBuf,
    /// Weights to use; without it the run folder's best, or last.
    #[arg(long, value_name = "FILE", conflicts_with = "mask")]
    weights: Option<PathBuf>,
    /// Beliefs are not a network's, but those of this mask: 1 for each pixel's own label and 0 for others. Its values are taken
    /// for labels 0, 1, and so on, from the smallest up.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Deviation of normal noise that the beliefs of --mask get.
    #[arg(long, default_value_t = 0.0, requires = "mask")]
    noise: f32,
    /// The noise follows from it.
    #[arg(long, default_value_t = 0, requires = "mask")]
    seed: u64,
    /// Steps from a frame to the next; the first and the last state are always shown. Without it all, up to 120 frames.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,
    /// Replaces files that are in the way.
    #[arg(long)]
    overwrite: bool,
    /// Overrides a key, such as `--set descent.steps=60`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Writes films, curves and graphs.
///
/// # Errors
/// [`Error::Config`] for a descent that cannot be shown, [`Error::Diverged`] where beliefs leave all bounds, after what comes before
/// that is written; what config, pictures, weights or device raise.
pub fn descend(context: &Arc<Context>, args: &DescendArgs) -> Result<u8> {
    match &args.mask {
        Some(mask) => of_mask(context, args, mask),
        None => of_network(context, args),
    }
}

/// A picture with beliefs about it.
struct Scene {
    /// As the energy sees it.
    picture: Picture,
    labels: usize,
    beliefs: Vec<f32>,
}

fn of_mask(context: &Arc<Context>, args: &DescendArgs, mask: &Path) -> Result<u8> {
    let [path] = args.inputs.as_slice() else {
        return Err(Error::Config("with --mask, name one picture and no run".into()));
    };
    if !(0.0..=1e6).contains(&args.noise) {
        return Err(Error::Config(format!("--noise is {}; it must be 0 to a million", args.noise)));
    }
    let mut config = Config::from_toml("", &args.set)?;
    if config.descent.energy == EnergyName::None {
        config.descent.energy = EnergyName::Som;
    }
    let setup = Setup::new(&config)?;
    let descent = shown(&setup)?;
    spare(std::slice::from_ref(path), args)?;
    let mut picture = Picture::read(path, config.data.channels)?;
    let (mask_path, mask) = (mask, Mask::ranked(mask)?);
    if (mask.width, mask.height) != (picture.width, picture.height) {
        let sizes = [mask.width, mask.height, picture.width, picture.height];
        let [w, h, width, height] = sizes;
        return Err(Error::data(mask_path, format!("is of {w}x{h}, the picture of {width}x{height}")));
    }
    setup.normalise.apply(&mut picture)?;
    let labels = mask.data.iter().map(|label| usize::from(*label) + 1).max().unwrap_or(1).max(2);
    let own =
        |label: &u8| (0..labels).map(|other| f32::from(u8::from(usize::from(*label) == other))).collect();
    let data: Vec<f32> = mask.data.iter().flat_map(|label| -> Vec<f32> { own(label) }).collect();
    let mut beliefs = Picture { channels: labels, data, ..picture };
    PixelNoise { deviation: args.noise, seed: args.seed }.fixed("beliefs").add(&mut beliefs);
    let scene = Scene { picture, labels, beliefs: beliefs.data };
    let show = Show { context, descent: &descent, learnt: &TensorMap::new(), args };
    show.one(path, &scene)?;
    Ok(0)
}

fn of_network(context: &Arc<Context>, args: &DescendArgs) -> Result<u8> {
    let (run, inputs) = match args.inputs.as_slice() {
        [run, inputs @ ..] if !inputs.is_empty() => (run, inputs),
        _ => {
            let message = "name a run and then pictures; or a picture with --mask, whose beliefs need no run";
            return Err(Error::Config(message.into()));
        }
    };
    let is_checkpoint = run.extension().is_some_and(|e| e == "safetensors");
    let folder = if is_checkpoint { run.parent().unwrap_or(run) } else { run };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let file = ConfigFile { config: Some(folder.into()), preset: None, set: args.set.clone() };
    let config = file.load()?;
    let setup = Setup::new(&config)?;
    let descent = shown(&setup)?;
    let volumes = train::volumes(&config.data);
    let mut pictures = Vec::new();
    for path in gather(inputs, &volumes)? {
        match is_volume(&path) {
            true => pictures.extend(slices(&path, volumes.axis)?),
            false => pictures.push(path),
        }
    }
    spare(&pictures, args)?;
    let weights = match (&args.weights, is_checkpoint) {
        (Some(file), _) => file.clone(),
        (None, true) => run.clone(),
        (None, false) => kept(&config.train.out)?,
    };
    let network = Undescended::load(context, &setup, &weights)?;
    let show = Show { context, descent: &descent, learnt: &network.learnt, args };
    let mut diverged = Vec::new();
    for path in &pictures {
        let picture = Picture::read_from(path, config.data.channels, config.data.range)?;
        let picture = window(setup.fit.prepare_picture(picture, &setup.normalise, None)?, &setup);
        let beliefs = network.logits(&picture.data)?;
        match show.one(path, &Scene { picture, labels: setup.model.out_channels, beliefs }) {
            Err(error @ Error::Diverged(_)) => diverged.push(error),
            other => other?,
        }
    }
    Error::all(diverged)?;
    Ok(0)
}

/// The descent of a config, where it can be shown.
fn shown(setup: &Setup) -> Result<Descent> {
    let refuse = |message: &str| Err(Error::Config(message.into()));
    match &setup.model.descent {
        None => refuse(
            "the network descends no energy; name one that needs nothing learnt, as with --set descent.energy=som",
        ),
        Some(d) if d.level > 0 => refuse(
            "descent.level is not 0: features of the decoder descend, and no beliefs; only the descent of logits can be shown",
        ),
        Some(d) if d.energy == Energy::Ensemble => refuse(
            "the three descents of an ensemble go apart; show them one by one, as with --set descent.energy=som",
        ),
        Some(descent) => Ok(descent.clone()),
    }
}

fn spare(pictures: &[PathBuf], args: &DescendArgs) -> Result<()> {
    let mut files = Vec::new();
    for (picture, suffix) in pictures.iter().flat_map(|p| [FILM, CURVE, NUMBERS, GRAPH].map(|s| (p, s))) {
        files.push((picture.as_path(), product_path(picture, &args.out, suffix)?));
    }
    spare_files(&files, args.overwrite)?;
    fs::create_dir_all(&args.out).map_err(Error::io(&args.out))
}

/// Where a network sees tiles, the one in the middle.
fn window(picture: Picture, setup: &Setup) -> Picture {
    let Fit::Tile { size, .. } = setup.fit else { return picture };
    let Picture { width, height, channels, data } = picture;
    let (left, top) = ((width - size) / 2, (height - size) / 2);
    let row = |y: usize| ((top + y) * width + left) * channels;
    let data = (0..size).flat_map(|y| &data[row(y)..row(y) + size * channels]).copied().collect();
    Picture { width: size, height: size, channels, data }
}

/// What is the same for all pictures.
struct Show<'a> {
    context: &'a Arc<Context>,
    descent: &'a Descent,
    learnt: &'a TensorMap,
    args: &'a DescendArgs,
}

impl Show<'_> {
    fn one(&self, path: &Path, scene: &Scene) -> Result<()> {
        let Scene { picture, labels, beliefs } = scene;
        let size = [picture.height, picture.width];
        let shape = Shape::new(1, picture.height, picture.width, picture.channels);
        let follower = Follower::new(self.context, self.descent, shape, *labels, self.learnt)?;
        let every = self.args.every.map_or(self.descent.steps.div_ceil(FRAMES - 1), |every| every as usize);
        let mut film = Film::new(size, *labels, every);
        let trail = follower.follow(&picture.data, beliefs, |step, beliefs| film.see(step, beliefs))?;
        let taken = self.write(path, picture, &film, &trail)?;
        trail.diverged.map_or(Ok(()), |step| {
            let (name, out) = (path.display(), self.args.out.display());
            let told = if taken > 0 { format!("; what comes before is in {out}") } else { String::new() };
            Err(Error::Diverged(format!(
                "{name}: beliefs or their energy are out of all bounds after {step} steps{told}; take fewer descent.steps, a \
                 smaller descent.step_size, or for crf descent.normalise = true"
            )))
        })
    }

    /// Writes what was met; how many states that are.
    fn write(&self, path: &Path, picture: &Picture, film: &Film, trail: &Trail) -> Result<usize> {
        let file = |suffix: &str| product_path(path, &self.args.out, suffix);
        let seen = Raster::stretched(picture.width, picture.height, picture.channels, &picture.data)?;
        let energy = trail.energies.first().map(|(_, values)| values.as_slice()).unwrap_or_default();
        if film.is_empty() {
            return Ok(0);
        }
        write_atomic(file(FILM)?, &film.apng(&seen, energy)?)?;
        write_atomic(file(CURVE)?, energy_curves(&trail.energies)?.as_bytes())?;
        write_atomic(file(NUMBERS)?, energy_csv(&trail.energies).as_bytes())?;
        let mut told = format!("{} frames of {} steps", film.len(), energy.len() - 1);
        if trail.rests {
            told += ", then the energy rests";
        }
        if let Some(phi) = &trail.edges {
            let graph = ComponentGraph::of(picture.width, picture.height, phi)?;
            write_atomic(file(GRAPH)?, &graph.png(&seen)?)?;
            let (parts, cut) = (graph.sizes.len(), graph.cut);
            told += &format!(
                "; {cut} of {} edges cut, {parts} components, the largest of {}",
                graph.edges, graph.sizes[0]
            );
        }
        let ends =
            trail.energies.iter().filter_map(|(name, values)| Some((name, values.first()?, values.last()?)));
        let ends = ends.map(|(name, first, last)| format!("{name} {first:.6} to {last:.6}"));
        say!("{}: {told}; {}", file(FILM)?.display(), ends.collect::<Vec<_>>().join(", "));
        Ok(energy.len())
    }
}

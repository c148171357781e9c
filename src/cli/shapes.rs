//! `gyre shapes`: generated pictures as a folder.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::say;
use crate::{
    Error, Result,
    data::{
        AngiographyDataset, AngiographyOptions, Dataset, Export, PixelNoise, PolygonsDataset,
        PolygonsOptions, ShapesDataset, ShapesOptions, Split,
    },
    gpu::Context,
    infer::DevicePolygons,
};

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One to four shapes on a shaded and noisy ground.
    Shapes,
    /// One irregular polygon or circle, white on black; its class is the number of its corners.
    Polygons,
    /// Synthetic X-ray angiograms: vessels and a catheter.
    Angiography,
}

/// What a deviation of noise counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Space {
    /// Values of 0 to 1.
    Unit,
    /// Grey levels, 0 to 255.
    #[value(name = "255")]
    Levels,
}

#[derive(Debug, Args)]
pub struct ShapesArgs {
    /// Folder to write to; must be empty or new.
    #[arg(value_name = "OUT", required_unless_present = "named")]
    folder: Option<PathBuf>,
    /// The same by name.
    #[arg(long = "out", value_name = "OUT", id = "named", conflicts_with = "folder")]
    named: Option<PathBuf>,
    /// What is drawn.
    #[arg(long, value_enum, default_value = "shapes")]
    kind: Kind,
    /// Pictures; where neither --val nor --test is given, a sixth of them each is for validation and test.
    #[arg(long, default_value_t = 200)]
    count: usize,
    /// Pictures for validation beside those, of a series of their own.
    #[arg(long, default_value_t = 0)]
    val: usize,
    /// Pictures for the test beside those. They depend on size and seed alone, whatever --count is.
    #[arg(long, default_value_t = 0)]
    test: usize,
    /// Height and width.
    #[arg(long, default_value_t = 128)]
    size: usize,
    /// How large shapes are; 1 for a third of the picture's side on average.
    #[arg(long)]
    scale: Option<f32>,
    /// Classes of shapes with the background: 2, or 4.
    #[arg(long)]
    classes: Option<usize>,
    /// 1 gray, 3 colour.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// Corners of the polygons of class 1, 2, and so on; 0 is the circle. Without it 3 to 15 and 0.
    #[arg(long, value_delimiter = ',')]
    sides: Option<Vec<usize>>,
    /// Deviation of a polygon's corners from its circle, in pixels of a picture of 512.
    #[arg(long)]
    irregular: Option<f32>,
    /// Everything follows from it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Standard deviation of noise that is added; each picture is then scaled from its least to its largest value.
    #[arg(long, default_value_t = 0.0)]
    noise: f32,
    /// What --noise counts in.
    #[arg(long, value_enum, default_value = "unit")]
    noise_space: Space,
    /// Draws polygons with the GPU kernel. The files are the same.
    #[arg(long)]
    on_device: bool,
}

impl ShapesArgs {
    /// What only some kinds know is refused for others.
    fn check(&self) -> Result<()> {
        let given = [
            ("--classes", self.classes.is_some(), Kind::Shapes),
            ("--scale", self.scale.is_some(), Kind::Shapes),
            ("--sides", self.sides.is_some(), Kind::Polygons),
            ("--irregular", self.irregular.is_some(), Kind::Polygons),
            ("--on-device", self.on_device, Kind::Polygons),
        ];
        if let Some((flag, _, of)) = given.iter().find(|(_, given, of)| *given && *of != self.kind) {
            let name = of.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
            return Err(Error::Config(format!("{flag} is for --kind {name} alone; leave it out")));
        }
        if !(0.0..=1e6).contains(&self.noise) {
            return Err(Error::Config(format!("--noise is {}; it must be 0 to a million", self.noise)));
        }
        if self.val + self.test == 0 && self.count < 3 {
            let count = self.count;
            return Err(Error::Config(format!(
                "--count {count} makes no three parts; give 3, or --val and --test"
            )));
        }
        Ok(())
    }

    fn split(&self) -> Split {
        match [self.count, self.val, self.test] {
            [count, 0, 0] => Split::last_sixths(count),
            parts => Split::series(parts),
        }
    }

    fn noise(&self) -> Option<PixelNoise> {
        let unit = if self.noise_space == Space::Levels { 255.0 } else { 1.0 };
        (self.noise > 0.0).then_some(PixelNoise { deviation: self.noise / unit, seed: self.seed })
    }

    fn polygons(&self) -> Result<PolygonsDataset> {
        let Self { size, channels, count, val, test, seed, .. } = *self;
        let usual = PolygonsOptions::default();
        let sides = self.sides.clone().unwrap_or(usual.sides);
        let irregular = self.irregular.unwrap_or(usual.irregular);
        PolygonsDataset::new(PolygonsOptions { size, sides, irregular, channels, count, val, test, seed })
    }

    /// The pictures, and what is told of them.
    fn open(&self, context: impl FnOnce() -> Result<Arc<Context>>) -> Result<(Box<dyn Dataset>, Value)> {
        let Self { size, channels, count, val, test, seed, .. } = *self;
        Ok(match self.kind {
            Kind::Shapes => {
                let classes = self.classes.unwrap_or(2);
                let scale = self.scale.unwrap_or(1.0);
                let options = ShapesOptions { size, scale, classes, channels, count, val, test, seed };
                let shapes = ShapesDataset::new(options)?;
                let about = shapes.about();
                (Box::new(shapes), about)
            }
            Kind::Polygons => {
                let polygons = self.polygons()?;
                let about = polygons.about();
                match self.on_device {
                    true => (Box::new(DevicePolygons::new(&context()?, polygons)?), about),
                    false => (Box::new(polygons), about),
                }
            }
            Kind::Angiography => {
                let options = AngiographyOptions { size, channels, count, val, test, seed };
                let angiograms = AngiographyDataset::new(options)?;
                let about = angiograms.about();
                (Box::new(angiograms), about)
            }
        })
    }
}

/// Writes generated pictures.
///
/// # Errors
/// [`Error::Io`] if they cannot be written, [`Error::Config`] for impossible settings; what the device raises.
pub fn shapes(context: impl FnOnce() -> Result<Arc<Context>>, args: &ShapesArgs) -> Result<u8> {
    args.check()?;
    let out = args.folder.as_ref().or(args.named.as_ref());
    let out = out.ok_or_else(|| Error::Config("name the folder to write to".into()))?;
    let (dataset, about) = args.open(context)?;
    let export = Export { dataset: &*dataset, split: &args.split(), about, noise: args.noise() };
    export.write(out)?;
    say!("{} pictures of {} classes in {}", dataset.len(), dataset.classes(), out.display());
    Ok(0)
}

//! `gyre augment`: what augmentation makes of pictures, to be looked at.

use std::{path::PathBuf, sync::Arc};

use clap::Args;

use super::{ConfigFile, say};
use crate::{
    Error, Result,
    data::{Batch, Mask, Picture},
    gpu::Context,
    graph::{Graph, Plan, Session, Shape, Weights},
    train::{Augment, Setup, augmentation_graph, one_hot},
};

/// Pixels between the pictures of a sheet.
const GAP: usize = 4;

#[derive(Debug, Args)]
pub struct AugmentArgs {
    #[command(flatten)]
    file: ConfigFile,
    /// Writes a contact sheet to this PNG: training pictures in rows, as they are and then changed, with the outlines
    /// of their masks.
    #[arg(long, value_name = "FILE")]
    preview: PathBuf,
    /// Changed versions of each picture.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=64))]
    versions: u32,
}

/// Writes the contact sheet.
///
/// # Errors
/// [`Error::Config`] if the config augments nothing; what data, device or disk raise.
pub fn augment(context: &Arc<Context>, args: &AugmentArgs) -> Result<u8> {
    let config = args.file.load()?;
    let setup = Setup::new(&config)?;
    let (Some(spec), Some(_)) = (&setup.augment, setup.step.augment) else {
        return Err(Error::Config("the config changes no picture; set some of [augment]".into()));
    };
    let data = setup.open_data(&config)?;
    let loader = data.training_loader(&config, &setup)?;
    let batch =
        loader.epoch(0).next().ok_or_else(|| Error::Config("there are no training pictures".into()))??;
    let columns = changed(context, &setup, spec, &batch, config.train.seed, u64::from(args.versions))?;
    sheet(&batch, &columns).write_png(&args.preview)?;
    say!("{} pictures in {} versions: {}", batch.valid, args.versions, args.preview.display());
    Ok(0)
}

/// Pictures and class indices of a batch.
type Version = (Vec<f32>, Vec<u8>);

/// The batch as it is, and then each version of it.
fn changed(
    context: &Arc<Context>,
    setup: &Setup,
    spec: &Augment,
    batch: &Batch,
    seed: u64,
    versions: u64,
) -> Result<Vec<Version>> {
    let classes = setup.model.out_channels;
    let mut graph = Graph::new();
    let x = graph.input("picture", Shape::new(batch.n, batch.h, batch.w, batch.c));
    let y = graph.input("target", Shape::new(batch.n, batch.h, batch.w, classes));
    let changes = augmentation_graph(&mut graph, setup.step.augment.unwrap_or_default(), x, y)?;
    graph.output(changes.made.0);
    graph.output(changes.made.1);
    let weights = Arc::new(Weights::new(context, &graph, 0)?);
    let session = Session::new(Plan::new(&graph, context)?, &weights)?;
    session.write(x, &batch.x)?;
    session.write(y, &one_hot(&batch.y, classes))?;
    let mut all = vec![(batch.x.clone(), batch.y.clone())];
    for step in 0..versions {
        let drawn = spec.changes(seed, step, batch.n, [batch.h, batch.w]);
        session.write(changes.moves, &drawn.moves)?;
        session.write_words(changes.words, &drawn.words)?;
        for (var, numbers) in [(changes.blurs, &drawn.blurs), (changes.medians, &drawn.medians)] {
            var.map_or(Ok(()), |var| session.write(var, numbers))?;
        }
        session.run();
        let target = session.read(changes.made.1)?;
        let class = |p: &[f32]| match p {
            [p] => u8::from(*p > 0.5),
            _ => p.iter().position(|v| *v > 0.5).unwrap_or(0) as u8,
        };
        all.push((session.read(changes.made.0)?, target.chunks_exact(classes).map(class).collect()));
    }
    Ok(all)
}

/// Rows of pictures, columns of versions; values are stretched from the least to the largest of the batch as it is.
fn sheet(batch: &Batch, columns: &[Version]) -> Picture {
    let (h, w, c) = (batch.h, batch.w, batch.c);
    let mut sheet = Picture::white(columns.len() * (w + GAP), batch.valid * (h + GAP));
    let least = batch.x.iter().copied().fold(f32::INFINITY, f32::min);
    let most = batch.x.iter().copied().fold(f32::NEG_INFINITY, f32::max).max(least + f32::MIN_POSITIVE);
    for (column, (x, y)) in columns.iter().enumerate() {
        for n in 0..batch.valid {
            let data = x[n * h * w * c..(n + 1) * h * w * c].iter().map(|v| (v - least) / (most - least));
            let picture = Picture { width: w, height: h, channels: c, data: data.collect() };
            let mask = Mask { width: w, height: h, data: y[n * h * w..(n + 1) * h * w].to_vec() };
            sheet.paste(&mask.outlined(&picture), column * (w + GAP), n * (h + GAP));
        }
    }
    sheet
}

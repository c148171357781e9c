//! Pictures of what the models of an experiment predict: a row each of pictures, of truths and of predictions.

use std::sync::Arc;

use super::Cell;
use crate::{
    Error, Result,
    data::Picture,
    gpu::Context,
    infer::Looks,
    report::PictureRow,
    train::{Evaluation, Setup, Shown, trained},
};

/// White between panels, pixels.
const GAP: usize = 4;

/// What is drawn.
pub struct Figure {
    panels: Vec<[Picture; 3]>,
}

impl Figure {
    /// The first `count` of the pictures that a cell is judged on, with truth and prediction; the cell is done.
    ///
    /// # Errors
    /// What its data or the device raise.
    pub fn of(context: &Arc<Context>, cell: &Cell, count: usize) -> Result<Self> {
        let config = &cell.config;
        let setup = Setup::new(config)?;
        let data = setup.open_data(config)?;
        let predictors = trained(context, &setup, config, &[])?;
        let (dataset, items) = (&*data.dataset, data.split.judged());
        let evaluation = Evaluation {
            config,
            setup: &setup,
            dataset,
            shown: Shown { first: count, worst: 0 },
            looks: Looks::default(),
            thorough: false,
        };
        let rows = evaluation.of(predictors, &items[..count.min(items.len())])?.pictures;
        if rows.is_empty() {
            return Err(Error::Config(format!("{}: there are no test pictures to show", cell.name())));
        }
        let classes = setup.model.out_channels.max(2);
        Ok(Self { panels: rows.into_iter().map(|row| panels(row, classes)).collect() })
    }

    /// All of it as one picture.
    pub fn draw(&self) -> Picture {
        let widths: Vec<usize> = self.panels.iter().map(|p| p[0].width).collect();
        let height = self.panels.iter().map(|p| p[0].height).max().unwrap_or(0);
        let width = widths.iter().sum::<usize>() + GAP * (widths.len() - 1);
        let mut all = Picture::white(width, 3 * height + 2 * GAP);
        let mut left = 0;
        for (column, width) in self.panels.iter().zip(widths) {
            for (row, panel) in column.iter().enumerate() {
                all.paste(panel, left, row * (height + GAP));
            }
            left += width + GAP;
        }
        all
    }
}

/// Masks are drawn from black, the background, to white, the last class.
fn panels(row: PictureRow, classes: usize) -> [Picture; 3] {
    let (width, height, channels) = (row.width, row.height, row.channels);
    let mask = |data: Vec<u8>| {
        let most = (classes - 1) as f32;
        Picture { width, height, channels: 1, data: data.iter().map(|c| f32::from(*c) / most).collect() }
    };
    [Picture { width, height, channels, data: row.picture }, mask(row.truth), mask(row.prediction)]
}

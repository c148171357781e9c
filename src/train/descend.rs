//! The logits of a trained network before they descend.

use std::{path::Path, sync::Arc};

use super::{Setup, load_undescended};
use crate::{
    Result,
    gpu::Context,
    graph::{Graph, Plan, Session, Shape, Var, Weights},
    io::weights::TensorMap,
    models::Model,
};

/// A trained network without the descent of its logits, for one picture at a time.
pub struct Undescended {
    session: Session,
    x: Var,
    y: Var,
    /// What the checkpoint holds of the descent: parameters under `descent.`.
    pub learnt: TensorMap,
}

impl Undescended {
    /// Loads the checkpoint `file` of a network for pictures of `size` (height, width).
    ///
    /// # Errors
    /// [`crate::Error::Weights`] if the file cannot be read or belongs to another model, [`crate::Error::Shape`] if the size
    /// does not fit the network, and what the device raises.
    pub fn load(context: &Arc<Context>, setup: &Setup, file: &Path) -> Result<Self> {
        let model = Model { descent: None, ..setup.model.clone() };
        let mut graph = Graph::new();
        let [height, width] = setup.size;
        let x = graph.input("picture", Shape::new(1, height, width, model.in_channels));
        let y = model.build(&mut graph, x, false)?;
        graph.output(y);
        let weights = Arc::new(Weights::new(context, &graph, 0)?);
        let learnt = load_undescended(&weights, file)?;
        graph.fuse();
        let session = Session::sharing(Plan::new(&graph, context)?, &weights, None)?;
        Ok(Self { session, x, y, learnt })
    }

    /// The logits `[height, width, classes]` of a picture `[height, width, channels]`, its values as in training.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the picture has another size; what the device raises.
    pub fn logits(&self, picture: &[f32]) -> Result<Vec<f32>> {
        self.session.write(self.x, picture)?;
        self.session.run();
        self.session.read(self.y)
    }
}

//! Polygons whose pixels the device fills.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    Result,
    data::{Dataset, Mask, Picture, PolygonsDataset, Sample},
    gpu::Context,
    graph::{Graph, Plan, Session, Shape, Var, Weights},
    ops::Polygon,
};

/// The pictures and masks of [`PolygonsDataset`], pixel for pixel, filled by the kernel `polygon`.
pub struct DevicePolygons {
    polygons: PolygonsDataset,
    figures: Var,
    made: (Var, Var),
    // Its buffers hold one picture at a time.
    session: Mutex<Session>,
}

impl DevicePolygons {
    /// # Errors
    /// What the device raises.
    pub fn new(context: &Arc<Context>, polygons: PolygonsDataset) -> Result<Self> {
        let (size, channels) = (polygons.options().size, polygons.options().channels);
        let mut graph = Graph::new();
        let figures = graph.input("figures", Shape::new(1, 1, polygons.table_rows(), 2));
        let made = graph.apply_all(Polygon { size: [size; 2], channels }, &[figures])?;
        let made = (made[0], made[1]);
        graph.output(made.0);
        graph.output(made.1);
        let weights = Arc::new(Weights::new(context, &graph, 0)?);
        let session = Mutex::new(Session::new(Plan::new(&graph, context)?, &weights)?);
        Ok(Self { polygons, figures, made, session })
    }
}

impl Dataset for DevicePolygons {
    fn len(&self) -> usize {
        self.polygons.len()
    }

    fn id(&self, i: usize) -> &str {
        self.polygons.id(i)
    }

    fn size(&self, i: usize) -> (usize, usize) {
        self.polygons.size(i)
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let table = self.polygons.figure(i)?.table(self.polygons.table_rows())?;
        // A panic with the lock held leaves nothing half done that the next picture does not write anew.
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.write(self.figures, &table)?;
        session.run();
        let (data, classes) = (session.read(self.made.0)?, session.read(self.made.1)?);
        let ((width, height), channels) = (self.size(i), self.channels());
        let picture = Picture { width, height, channels, data };
        let mask = Mask { width, height, data: classes.iter().map(|class| *class as u8).collect() };
        Ok(Sample { id: self.id(i).to_owned(), picture, mask })
    }

    fn channels(&self) -> usize {
        self.polygons.channels()
    }

    fn classes(&self) -> usize {
        self.polygons.classes()
    }
}

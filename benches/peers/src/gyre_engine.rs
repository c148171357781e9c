use std::sync::Arc;

use gyre::{
    gpu::{Context, Select},
    graph::{Graph, Init, Layout, Plan, Session, Shape as Tensor, Weights},
    ops::{Conv2d, Geometry, add},
};

use crate::{Prepared, Run, Shape};

pub struct Engine {
    context: Arc<Context>,
}

impl Engine {
    pub fn new() -> Self {
        Self { context: Arc::new(Context::new(&Select::parse(None)).expect("an adapter")) }
    }

    pub fn adapter(&self) -> String {
        format!("{} ({})", self.context.info.name, self.context.info.driver_info)
    }

    pub fn prepare(&self, shape: Shape) -> Prepared {
        Prepared { name: "gyre", forward: Some(self.run(shape, false)), both: Some(self.run(shape, true)) }
    }

    fn run(&self, s: Shape, gradients: bool) -> Run {
        let session = self.session(s, gradients).expect("fits");
        let context = self.context.clone();
        Box::new(move || {
            session.run();
            context.wait().expect("the device works");
        })
    }

    fn session(&self, s: Shape, gradients: bool) -> gyre::Result<Session> {
        let mut graph = Graph::new();
        let tensor = Tensor::new(1, s.size, s.size, s.channels);
        let x = graph.input("x", tensor);
        let (geometry, kernel) = (Geometry::square(s.kernel, 1, s.kernel / 2), [s.kernel; 2]);
        let (geometry, layout) = if s.depthwise {
            (geometry.grouped(s.channels), Layout::Grouped { out: s.channels, per_group: 1, kernel })
        } else {
            (geometry, Layout::Conv { out: s.channels, sources: vec![s.channels], kernel })
        };
        let w = graph.param("w", layout, Init::Uniform(0.1));
        let y = graph.apply(Conv2d::new(geometry), &[x, w])?;
        graph.output(y);
        let mut dy = None;
        if gradients {
            let seed = graph.input("dy", tensor);
            dy = Some(seed);
            for dx in graph.backward(y, seed, &[x], add)?.into_iter().flatten() {
                graph.output(dx);
            }
        }
        let weights = Arc::new(Weights::new(&self.context, &graph, 0)?);
        let session = Session::new(Plan::new(&graph, &self.context)?, &weights)?;
        for var in [Some(x), dy].into_iter().flatten() {
            session.write(var, &crate::numbers(tensor.count()))?;
        }
        Ok(session)
    }
}

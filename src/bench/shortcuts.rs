//! Blocks by their shortcuts, against the operators that they are made of.

use std::sync::Arc;

use super::{Ceilings, Row, Times, session};
use crate::{
    Result,
    gpu::{Context, PassTime},
    graph::{Graph, Session, Shape},
    nn::{Grrb, Net, grrb},
};

/// Group of these rows.
pub const GROUP: &str = "shortcuts";

/// A gated recurrent residual block of three steps.
pub struct Case {
    /// Block and shape.
    pub name: String,
    x: Shape,
}

/// Those of SiGREnet's decoder at 256x256.
pub fn all() -> [Case; 4] {
    [(32, 256), (64, 128), (128, 64), (256, 32)].map(|(channels, size)| Case {
        name: format!("GRRB {channels} at {size}"),
        x: Shape::new(1, size, size, channels),
    })
}

impl Case {
    fn graph(&self, short: bool) -> Result<Graph> {
        let mut graph = Graph::new();
        let x = graph.input("x", self.x);
        let y = grrb(&mut Net::new(&mut graph, false), x, Grrb::new())?;
        graph.output(y);
        graph.fuse();
        if short {
            graph.take_shortcuts();
        }
        Ok(graph)
    }

    /// Times both ways, in turns, so that what else the machine does meets them alike.
    ///
    /// # Errors
    /// What the device raises.
    pub fn measure(&self, context: &Arc<Context>, ceilings: &Ceilings, runs: usize) -> Result<Vec<Row>> {
        let mut measured: Vec<(&str, Graph, Session, Vec<f64>)> = Vec::new();
        for (form, short) in [("operators", false), ("shortcut", true)] {
            let graph = self.graph(short)?;
            let session = session(context, &graph)?;
            super::fill(&session, &graph)?;
            session.profile()?;
            measured.push((form, graph, session, Vec::new()));
        }
        for _ in 0..runs {
            for (_, _, session, times) in &mut measured {
                let profile: Vec<PassTime> = session.profile()?;
                times.push(profile.iter().map(|pass| pass.ms).sum());
            }
        }
        let bound = [ceilings.matmul, ceilings.copy_of(self.x.bytes())];
        let row = |(form, graph, session, times): (&str, Graph, Session, Vec<f64>)| {
            let named = [GROUP, &self.name, "forward", form];
            Row::new(named, session.plan().passes.len(), Times::of(times), graph.cost(), bound)
        };
        Ok(measured.into_iter().map(row).collect())
    }
}

//! Descents in every form: many steps a dispatch against one.

use std::sync::Arc;

use super::{Ceilings, Row, Times};
use crate::{
    Result,
    gpu::{Choices, Context, PassTime},
    graph::{Cost, Graph, Plan, Session, Shape, Weights},
    ops::energy::{EdgeMask, Rule, STEPS, Som, Tiles},
};

/// Group of these rows.
pub const GROUP: &str = "descents";

/// The belief map of the energy-recurrency paper at its larger size.
const BELIEFS: Shape = Shape { n: 1, h: 512, w: 512, c: 15 };

/// A descent of 20 steps.
pub struct Case {
    /// Rule and shape.
    pub name: String,
    som: Som,
}

/// All cases.
pub fn all() -> [Case; 2] {
    let rules =
        [("eq 9", Rule::Equilibrium { include_self: false }), ("eq 10", Rule::Response { literal: false })];
    rules.map(|(what, rule)| {
        let Shape { h, w, c, .. } = BELIEFS;
        Case { name: format!("{what}, 20 steps on {h}x{w}x{c}"), som: Som::new(rule, 0.1, 20) }
    })
}

impl Case {
    fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        let v = graph.input("v", BELIEFS);
        let picture = graph.input("picture", BELIEFS.with_c(1));
        let edges = graph.apply(EdgeMask::new(0.5, 0.0), &[picture])?;
        let rest = graph.apply(self.som, &[v, edges])?;
        graph.output(rest);
        Ok(graph)
    }

    /// Times every form, in turns, so that what else the machine does meets all alike. Bytes are those that the form's
    /// dispatches read and write, halos as often as they are read.
    ///
    /// # Errors
    /// What the device raises.
    pub fn measure(&self, context: &Arc<Context>, ceilings: &Ceilings, runs: usize) -> Result<Vec<Row>> {
        let (graph, device) = (self.graph()?, context.capabilities());
        let descent = graph.nodes.len() - 1;
        let forms = graph.forms_of(&graph.nodes[descent], &device);
        let forms =
            forms.into_iter().flat_map(|f| f.names.into_iter().map(move |name| (f.key.clone(), name)));
        let weights = Arc::new(Weights::new(context, &graph, 0)?);
        let mut measured = Vec::new();
        for (key, name) in forms {
            let choices = Choices([(key, name.clone())].into());
            let session = Session::new(Plan::with(&graph, context, &choices)?, &weights)?;
            super::fill(&session, &graph)?;
            session.profile()?;
            measured.push((name, session, Vec::new()));
        }
        for _ in 0..runs {
            for (_, session, times) in &mut measured {
                let profile: Vec<PassTime> = session.profile()?;
                let own = session.plan().passes.iter().zip(&profile).filter(|(pass, _)| pass.node == descent);
                times.push(own.map(|(_, time)| time.ms).sum::<f64>());
            }
        }
        let flops = graph.node_cost(&graph.nodes[descent]).flops;
        let bound = [ceilings.fma, ceilings.copy_of(BELIEFS.bytes())];
        let row = |(form, session, times): (String, Session, Vec<f64>)| {
            let dispatches = session.plan().passes.iter().filter(|pass| pass.node == descent).count();
            let tiles = Tiles::new(&self.som, BELIEFS).filter(|_| form != STEPS);
            let bytes = tiles.map_or_else(|| self.som.step_bytes(BELIEFS), |tiles| tiles.bytes());
            let named = [GROUP, &self.name, "forward", &form];
            Row::new(named, dispatches, Times::of(times), Cost { flops, bytes }, bound)
        };
        Ok(measured.into_iter().map(row).collect())
    }
}

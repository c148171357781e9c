//! Memory for time: activations that are cheap to make again die after the forward pass, and are made again
//! where the backward pass wants them.

use super::{Graph, Node, Role, Var};
use crate::Result;

impl Graph {
    /// Makes again, in the backward pass, what operators say is cheap ([`super::Operator::again`]). To be called
    /// once the graph is complete; `forward` is the number of nodes before [`Graph::backward`] added its own.
    ///
    /// # Errors
    /// None for operators that fit their own outputs.
    pub fn recompute(&mut self, forward: usize) -> Result<()> {
        for index in (0..forward).rev() {
            let node = self.nodes[index].clone();
            let Some(made) = node.outputs.first().copied() else { continue };
            let kept = self.outputs.contains(&made) || self.vars[made.0].role != Role::Value;
            let first = (forward..self.nodes.len()).find(|i| self.nodes[*i].inputs.contains(&made));
            let (Some((op, inputs)), Some(first), false) = (node.op.again(&node), first, kept) else {
                continue;
            };
            // What it is made from must be alive there anyway, or nothing is spared.
            if inputs.iter().any(|v| !self.lives_until(*v, first)) {
                continue;
            }
            let info = self.vars[made.0].clone();
            self.vars.push(info);
            let again = Var(self.vars.len() - 1);
            for later in &mut self.nodes[forward..] {
                later.inputs.iter_mut().filter(|v| **v == made).for_each(|v| *v = again);
            }
            let scope = format!("{} again", node.scope);
            self.nodes.insert(first, Node { op, scope, inputs, outputs: vec![again] });
        }
        Ok(())
    }

    /// Whether a tensor is needed by node `at` or a later one, or lives for ever.
    fn lives_until(&self, var: Var, at: usize) -> bool {
        self.vars[var.0].role != Role::Value
            || self.outputs.contains(&var)
            || self.nodes[at..].iter().any(|n| n.inputs.contains(&var))
    }
}

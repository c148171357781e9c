//! Reverse-mode differentiation, graph in, graph out.

use std::collections::{HashMap, HashSet};

use super::{Graph, Node, Role, Shape, Var};
use crate::Result;

/// Builds the sum of two tensors of one shape. The graph knows no operators, so the caller gives it.
pub type AddFn = fn(&mut Graph, Var, Var) -> Result<Var>;

/// What an operator's gradient rule sees: its node, the gradients of its outputs, and where to leave those
/// of its inputs.
pub struct Backward<'a> {
    /// The graph to add nodes to.
    pub graph: &'a mut Graph,
    /// The node whose gradient is built.
    pub node: Node,
    dys: Vec<Option<Var>>,
    wanted: &'a HashSet<Var>,
    given: Vec<(Var, Var)>,
}

impl Backward<'_> {
    /// The i-th input.
    pub fn input(&self, i: usize) -> Var {
        self.node.inputs[i]
    }

    /// The i-th output.
    pub fn output(&self, i: usize) -> Var {
        self.node.outputs[i]
    }

    /// Shape of the i-th input.
    pub fn shape(&self, i: usize) -> Shape {
        self.graph.shape(self.input(i))
    }

    /// Gradient of the first output; a node is differentiated only where it has one.
    pub fn dy(&self) -> Option<Var> {
        self.dys[0]
    }

    /// True if the i-th input needs a gradient.
    pub fn wants(&self, i: usize) -> bool {
        self.node.inputs.get(i).is_some_and(|v| self.wanted.contains(v))
    }

    /// The accumulator to add into, if the i-th input is a trained parameter.
    pub fn accumulator(&mut self, i: usize) -> Option<Var> {
        let var = *self.node.inputs.get(i)?;
        self.graph.gradient_of(var)
    }

    /// Leaves `gradient` as that of the i-th input.
    pub fn give(&mut self, i: usize, gradient: Var) {
        self.given.push((self.node.inputs[i], gradient));
    }
}

impl Graph {
    /// Appends the nodes that carry `seed`, the gradient of `of`, back to all parameters and to the inputs
    /// in `wrt`; returns the gradients of `wrt` in order (none where `of` does not depend on it).
    ///
    /// Gradients of parameters are *added* to the accumulators of [`Graph::gradient_of`]; a session clears
    /// those when told to.
    ///
    /// # Errors
    /// What an operator's gradient rule raises.
    pub fn backward(&mut self, of: Var, seed: Var, wrt: &[Var], add: AddFn) -> Result<Vec<Option<Var>>> {
        let wanted = self.depends_on_trained(wrt);
        let mut grads: HashMap<Var, Var> = HashMap::from([(of, seed)]);
        for node in self.nodes.clone().into_iter().rev() {
            let dys: Vec<_> = node.outputs.iter().map(|v| grads.get(v).copied()).collect();
            if dys.iter().all(Option::is_none) || !node.inputs.iter().any(|v| wanted.contains(v)) {
                continue;
            }
            let op = node.op.clone();
            let scope = std::mem::replace(&mut self.scope, vec![node.scope.clone()]);
            let mut backward = Backward { graph: self, node, dys, wanted: &wanted, given: Vec::new() };
            op.gradient(&mut backward)?;
            let given = backward.given;
            for (var, gradient) in given {
                let total = match grads.get(&var) {
                    Some(&other) => add(self, other, gradient)?,
                    None => gradient,
                };
                grads.insert(var, total);
            }
            self.scope = scope;
        }
        self.accumulate_loose(&grads, add)?;
        Ok(wrt.iter().map(|v| grads.get(v).copied()).collect())
    }

    /// Adds gradients that operators left as plain tensors to the parameters' accumulators.
    fn accumulate_loose(&mut self, grads: &HashMap<Var, Var>, add: AddFn) -> Result<()> {
        for index in 0..self.params.len() {
            let value = self.params[index].value;
            if let (Some(&gradient), Some(sum)) = (grads.get(&value), self.gradient_of(value)) {
                add(self, sum, gradient)?;
            }
        }
        Ok(())
    }

    /// Tensors through which a parameter or a member of `wrt` acts.
    fn depends_on_trained(&self, wrt: &[Var]) -> HashSet<Var> {
        let mut found: HashSet<Var> = wrt.iter().copied().collect();
        found.extend((0..self.vars.len()).map(Var).filter(|v| matches!(self.vars[v.0].role, Role::Param(_))));
        for node in &self.nodes {
            if node.inputs.iter().any(|v| found.contains(v)) {
                found.extend(&node.outputs);
            }
        }
        found
    }
}

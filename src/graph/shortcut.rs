//! Shorter ways to what a graph makes, for those who want no gradient of it.

use std::{collections::HashSet, sync::Arc};

use super::{Graph, Node, Operator, Var};
use crate::{Error, Result, gpu::Capabilities};

/// One operator for what several nodes make together.
#[derive(Clone, Debug)]
pub(super) struct Shortcut {
    op: Arc<dyn Operator>,
    inputs: Vec<Var>,
    output: Var,
}

impl Graph {
    /// Notes that `op` on `inputs` makes the same as the nodes before `output`, and sooner; it need not have a gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit the operator or the output.
    pub fn shortcut(&mut self, op: impl Operator, inputs: &[Var], output: Var) -> Result<()> {
        let shapes: Vec<_> = inputs.iter().map(|v| self.shape(*v)).collect();
        if op.shapes(&shapes)? != [self.shape(output)] {
            return Err(Error::shape(op.name(), format!("no shortcut to {}", self.shape(output))));
        }
        self.shortcuts.push(Shortcut { op: Arc::new(op), inputs: inputs.to_vec(), output });
        Ok(())
    }

    /// Takes the shortcuts where they are short: they stage numbers in workgroup memory, which software devices have none of.
    /// For a graph that only predicts, before or after [`Graph::fuse`].
    pub fn shorten(&mut self, device: &Capabilities) {
        if !device.software {
            self.take_shortcuts();
        }
    }

    /// Takes all shortcuts and leaves out what nobody reads any more.
    pub fn take_shortcuts(&mut self) {
        let shortcuts = std::mem::take(&mut self.shortcuts);
        if shortcuts.is_empty() {
            return;
        }
        for Shortcut { op, inputs, output } in shortcuts {
            if let Some(node) = self.nodes.iter_mut().find(|node| node.outputs == [output]) {
                *node = Node { op, inputs, scope: node.scope.clone(), outputs: vec![output] };
            }
        }
        let mut read: HashSet<Var> = self.outputs.iter().copied().collect();
        let mut kept: Vec<Node> = std::mem::take(&mut self.nodes);
        kept.reverse();
        kept.retain(|node| {
            let wanted = !node.op.updates().is_empty() || node.outputs.iter().any(|v| read.contains(v));
            if wanted {
                read.extend(&node.inputs);
            }
            wanted
        });
        kept.reverse();
        self.nodes = kept;
    }
}

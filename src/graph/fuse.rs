//! Joins an operator with the only consumer of its output, where the operator knows how.

use std::sync::Arc;

use super::{FuseShapes, Graph, Node, Operator, Shape, Var};

impl Graph {
    /// Fuses epilogues until nothing more fuses. To be called on the forward graph, before
    /// [`Graph::backward`], so that the gradient is that of the fused operators.
    pub fn fuse(&mut self) {
        self.fuse_from(0);
    }

    /// Fuses what node `first` and later ones make: with the number of nodes before [`Graph::backward`], the
    /// sums of gradients join the convolutions that make their last term. To be called right after
    /// [`Graph::backward`]: [`Graph::mixed`] and [`Graph::recompute`] come later.
    pub fn fuse_from(&mut self, first: usize) {
        while let Some((first, second, op)) = self.find_fusion(first) {
            let producer = self.nodes[first].clone();
            let consumer = &mut self.nodes[second];
            let others = consumer.inputs.iter().filter(|v| **v != producer.outputs[0]);
            let inputs = producer.inputs.iter().chain(others).copied().collect();
            let rest = producer.outputs[1..].iter();
            let outputs = consumer.outputs.iter().chain(rest).copied().collect();
            // The consumer's place: its other inputs may be made after the producer.
            *consumer = Node { op, scope: producer.scope, inputs, outputs };
            self.nodes.remove(first);
        }
    }

    fn find_fusion(&self, from: usize) -> Option<(usize, usize, Arc<dyn Operator>)> {
        (from..self.nodes.len()).find_map(|first| {
            let second = self.only_consumer(self.nodes[first].outputs.first().copied()?)?;
            let (a, b) = (&self.nodes[first], &self.nodes[second]);
            let slot = b.inputs.iter().position(|v| *v == a.outputs[0])?;
            let shapes = |n: &Node| n.inputs.iter().map(|v| self.shape(*v)).collect::<Vec<Shape>>();
            let (in_a, in_b) = (shapes(a), shapes(b));
            let op = a.op.fuse(&*b.op, slot, &FuseShapes { first: &in_a, second: &in_b })?;
            Some((first, second, op))
        })
    }

    /// The node that alone reads `var`, and reads it once.
    fn only_consumer(&self, var: Var) -> Option<usize> {
        if self.outputs.contains(&var) {
            return None;
        }
        let mut readers = self
            .nodes
            .iter()
            .enumerate()
            .flat_map(|(i, node)| node.inputs.iter().filter(|v| **v == var).map(move |_| i));
        let first = readers.next()?;
        readers.next().is_none().then_some(first)
    }
}

//! What every operator tells the graph of itself.

use std::{any::Any, fmt::Debug, sync::Arc};

use super::{Array, Backward, Lowering, Node, Shape, Var};
use crate::{Result, gpu::Capabilities};

/// Work and traffic of an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations; a multiply-add counts two.
    pub flops: u64,
    /// Bytes read and written if every tensor passes memory once.
    pub bytes: u64,
}

impl Cost {
    /// `per_element` operations on each element of the largest tensor, all tensors passed once.
    pub fn elementwise(per_element: u64, inputs: &[Shape], outputs: &[Shape]) -> Self {
        let tensors = || inputs.iter().chain(outputs);
        let largest = tensors().map(Shape::count).max().unwrap_or(0);
        Self { flops: per_element * largest as u64, bytes: tensors().map(Shape::bytes).sum() }
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.flops += other.flops;
        self.bytes += other.bytes;
    }
}

/// Where an operator is to run.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Shapes of its inputs.
    pub inputs: &'a [Shape],
    /// Shapes of its outputs.
    pub outputs: &'a [Shape],
    /// The device.
    pub device: &'a Capabilities,
    /// Some of its tensors are stored in half.
    pub half: bool,
    /// The program computes gradients, so that forms of lesser accuracy are out of place.
    pub trains: bool,
}

/// Ways of computing one thing, between which the device's clock decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms {
    /// What is computed, shapes in buckets: choices are kept by it.
    pub key: String,
    /// Names, the best guess first.
    pub names: Vec<String>,
}

/// An operator: shape rule, cost, gradient rule, kernels and CPU twin in one place.
pub trait Operator: Any + Debug + Send + Sync {
    /// Name as in `src/ops` and `shaders`.
    fn name(&self) -> &'static str;

    /// Shapes of the outputs.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] naming the operator and the shapes.
    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>>;

    /// Work and traffic.
    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(1, inputs, outputs)
    }

    /// Adds the nodes that compute the gradients of the inputs that want one.
    ///
    /// # Errors
    /// What building those nodes may raise, or that the operator has no gradient.
    fn gradient(&self, b: &mut Backward<'_>) -> Result<()>;

    /// The forms that [`Self::lower`] can take at a site, where there are several.
    fn forms(&self, _site: &Site<'_>) -> Option<Forms> {
        None
    }

    /// Adds the dispatches that compute the outputs, in the form that [`Lowering::form`] names.
    ///
    /// # Errors
    /// Only for shapes that no kernel can serve.
    fn lower(&self, l: &mut Lowering<'_>) -> Result<()>;

    /// The outputs in f64 on the host, followed by the new values of the inputs that [`Self::updates`]
    /// names.
    fn twin(&self, inputs: &[Array]) -> Vec<Array>;

    /// Inputs that the operator changes in place: accumulators and running statistics.
    fn updates(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Inputs that mixed precision leaves in f32.
    fn exact_inputs(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Outputs that mixed precision leaves in f32, where `half` tells for each input whether it is stored in
    /// half.
    fn exact_outputs(&self, _half: &[bool]) -> Vec<usize> {
        Vec::new()
    }

    /// Inputs that are integers of eight bits ([`super::Precision::I8`]); all others are not.
    fn packed_inputs(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Outputs that are integers of eight bits.
    fn packed_outputs(&self) -> Vec<usize> {
        Vec::new()
    }

    /// An operator that makes the first output again, with the tensors that it takes, where that costs little
    /// beside the memory that keeping the output takes.
    fn again(&self, _node: &Node) -> Option<(Arc<dyn Operator>, Vec<Var>)> {
        None
    }

    /// One operator that does this one and then `next`, whose input `slot` is this one's only output.
    /// Its inputs are this one's followed by the other inputs of `next`.
    fn fuse(
        &self,
        _next: &dyn Operator,
        _slot: usize,
        _shapes: &FuseShapes<'_>,
    ) -> Option<Arc<dyn Operator>> {
        None
    }
}

/// Shapes of the two nodes that [`Operator::fuse`] may join.
#[derive(Debug)]
pub struct FuseShapes<'a> {
    /// Inputs of the first.
    pub first: &'a [Shape],
    /// Inputs of the second.
    pub second: &'a [Shape],
}

impl dyn Operator {
    /// The operator as its own type.
    pub fn is<T: Operator>(&self) -> Option<&T> {
        (self as &dyn Any).downcast_ref()
    }
}

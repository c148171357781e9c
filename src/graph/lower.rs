//! From operators to dispatches over tensors.

use super::{Cost, Graph, Node, Precision, Role, Shape, Var, VarInfo};
use crate::{
    Result,
    gpu::{Dispatch, Variant, Word},
};

/// How a pass uses a tensor; must agree with the shader's binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read(Var),
    /// `var<storage, read_write>`.
    Write(Var),
}

impl Access {
    /// The tensor.
    pub const fn var(self) -> Var {
        match self {
            Self::Read(v) | Self::Write(v) => v,
        }
    }
}

/// One dispatch of a plan.
#[derive(Clone, Debug)]
pub struct Pass {
    /// What runs over which tensors.
    pub dispatch: Dispatch<Access>,
    /// Operator and scope, for profiles.
    pub label: String,
    /// Its share of the operator's cost.
    pub cost: Cost,
    /// The operator's place in [`Graph::nodes`].
    pub node: usize,
}

/// What an operator sees while it adds its dispatches.
pub struct Lowering<'a> {
    graph: &'a Graph,
    node: &'a Node,
    vars: &'a mut Vec<VarInfo>,
    passes: Vec<Dispatch<Access>>,
    software: bool,
}

impl Lowering<'_> {
    /// The i-th input.
    pub fn input(&self, i: usize) -> Var {
        self.node.inputs[i]
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// The i-th output.
    pub fn output(&self, i: usize) -> Var {
        self.node.outputs[i]
    }

    /// Shape of the i-th input.
    pub fn input_shape(&self, i: usize) -> Shape {
        self.graph.shape(self.node.inputs[i])
    }

    /// Shape of the i-th output.
    pub fn output_shape(&self, i: usize) -> Shape {
        self.graph.shape(self.node.outputs[i])
    }

    /// True on a device that is the processor itself, where workgroup memory only costs.
    pub fn software(&self) -> bool {
        self.software
    }

    /// A tensor that lives inside this operator only.
    pub fn scratch(&mut self, name: &str, shape: Shape) -> Var {
        self.vars.push(VarInfo::new(format!("{} {name}", self.node.op.name()), shape, Role::Scratch));
        Var(self.vars.len() - 1)
    }

    /// Adds a dispatch of `threads` invocations, in the form that suits the precision of its tensors.
    pub fn dispatch(
        &mut self,
        mut variant: Variant,
        params: Vec<(&'static str, Word)>,
        buffers: Vec<Access>,
        threads: usize,
    ) {
        let is_half = |access: &Access| self.vars[access.var().0].precision == Precision::F16;
        variant.half = (0..buffers.len()).filter(|i| is_half(&buffers[*i])).collect();
        self.passes.push(Dispatch { variant, params, buffers, threads });
    }
}

/// Lowers all nodes; returns the passes and the tensors, scratch included.
pub(super) fn lower(graph: &Graph, software: bool) -> Result<(Vec<Pass>, Vec<VarInfo>)> {
    let mut vars = graph.vars.clone();
    let mut passes = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        let mut l = Lowering { graph, node, vars: &mut vars, passes: Vec::new(), software };
        node.op.lower(&mut l)?;
        let dispatches = l.passes;
        let count = dispatches.len().max(1) as u64;
        let cost = graph.node_cost(node);
        let cost = Cost { flops: cost.flops / count, bytes: cost.bytes / count };
        passes.extend(dispatches.into_iter().map(|dispatch| {
            let label = format!("{} {}", dispatch.variant.file, node.scope);
            Pass { dispatch, label, cost, node: index }
        }));
    }
    Ok((passes, vars))
}

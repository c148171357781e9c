//! From operators to dispatches over tensors.

use super::{Cost, Forms, Graph, Node, Precision, Role, Shape, Site, Var, VarInfo};
use crate::{
    Result,
    gpu::{Capabilities, Choices, Dispatch, Variant, Word},
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
    /// The form that was chosen for the operator, where it has several.
    pub form: Option<String>,
    /// The operator's place in [`Graph::nodes`].
    pub node: usize,
}

/// What an operator sees while it adds its dispatches.
pub struct Lowering<'a> {
    graph: &'a Graph,
    node: &'a Node,
    vars: &'a mut Vec<VarInfo>,
    passes: Vec<Dispatch<Access>>,
    device: &'a Capabilities,
    trains: bool,
    form: Option<String>,
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

    /// Runs `f` on what the operator's [`Operator::forms`] saw.
    pub fn at_site<T>(&self, f: impl FnOnce(&Site<'_>) -> T) -> T {
        at_site(self.graph, self.node, self.device, self.trains, f)
    }

    /// The chosen one of the operator's [`Operator::forms`], where it has several.
    pub fn form(&self) -> Option<&str> {
        self.form.as_deref()
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

fn at_site<T>(
    graph: &Graph,
    node: &Node,
    device: &Capabilities,
    trains: bool,
    f: impl FnOnce(&Site<'_>) -> T,
) -> T {
    let shapes = |vars: &[Var]| vars.iter().map(|v| graph.shape(*v)).collect::<Vec<_>>();
    let half = node.inputs.iter().chain(&node.outputs).any(|v| graph.vars[v.0].precision == Precision::F16);
    f(&Site { inputs: &shapes(&node.inputs), outputs: &shapes(&node.outputs), device, half, trains })
}

/// A graph as dispatches.
pub(super) struct Lowered {
    pub passes: Vec<Pass>,
    /// The graph's tensors, then scratch.
    pub vars: Vec<VarInfo>,
    /// The forms used, where there were several.
    pub choices: Choices,
}

/// The forms of a node on a device, where it has several.
pub(super) fn forms(graph: &Graph, node: &Node, device: &Capabilities) -> Option<Forms> {
    at_site(graph, node, device, graph.trains(), |site| node.op.forms(site))
}

/// Choices that between them take every form of every node.
pub(super) fn all_choices(graph: &Graph, device: &Capabilities) -> Vec<Choices> {
    let mut all = vec![Choices::default()];
    for forms in graph.nodes.iter().filter_map(|node| forms(graph, node, device)) {
        for (i, name) in forms.names.into_iter().enumerate() {
            if i == all.len() {
                all.push(Choices::default());
            }
            all[i].0.insert(forms.key.clone(), name);
        }
    }
    all
}

/// Lowers all nodes, each in its chosen form or else the one that its operator guesses.
pub(super) fn lower(graph: &Graph, device: &Capabilities, choices: &Choices) -> Result<Lowered> {
    let mut vars = graph.vars.clone();
    let mut passes = Vec::new();
    let mut used = Choices::default();
    let trains = graph.trains();
    for (index, node) in graph.nodes.iter().enumerate() {
        let form = forms(graph, node, device).and_then(|forms| {
            let chosen = choices.get(&forms.key).filter(|name| forms.names.iter().any(|n| n == name));
            let name = chosen.map(str::to_string).or_else(|| forms.names.first().cloned())?;
            used.0.entry(forms.key).or_insert_with(|| name.clone());
            Some(name)
        });
        let mut l =
            Lowering { graph, node, vars: &mut vars, passes: Vec::new(), device, trains, form: form.clone() };
        node.op.lower(&mut l)?;
        let dispatches = l.passes;
        let count = dispatches.len().max(1) as u64;
        let cost = graph.node_cost(node);
        let cost = Cost { flops: cost.flops / count, bytes: cost.bytes / count };
        passes.extend(dispatches.into_iter().map(|dispatch| {
            let label = format!("{} {}", dispatch.variant.file, node.scope);
            Pass { dispatch, label, cost, form: form.clone(), node: index }
        }));
    }
    Ok(Lowered { passes, vars, choices: used })
}

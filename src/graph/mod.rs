//! The program: an op graph with static shapes, its gradient, its memory plan and the plan that a session
//! replays.

mod autodiff;
mod fuse;
mod lower;
mod memory;
mod mixed;
mod op;
mod plan;
mod recompute;
mod session;
mod shape;
mod shortcut;
mod weights;

use std::{collections::HashSet, sync::Arc};

pub use autodiff::{AddFn, Backward};
pub use lower::{Access, Lowering, Pass};
pub use memory::MemoryPlan;
pub use mixed::Precision;
pub use op::{Cost, Forms, FuseShapes, Operator, Site};
pub use plan::{Plan, Summary};
pub use session::Session;
pub use shape::{Array, Shape, pad_channels, unpad_channels};
pub use weights::{Arenas, Exported, Init, Layout, ParamInfo, Weights};

use crate::{
    Error, Result,
    gpu::{Capabilities, Choices},
};

/// A tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub(crate) usize);

impl Var {
    /// Its place in [`Graph::vars`].
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What a tensor is to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Written by the host before a run.
    Input,
    /// A trained parameter, by its index in [`Graph::params`].
    Param(usize),
    /// The gradient accumulator of a parameter.
    Gradient(usize),
    /// A buffer that is kept but not trained (running statistics), by its index in [`Graph::params`].
    State(usize),
    /// Computed, and dead after its last use.
    Value,
    /// Used inside one operator.
    Scratch,
}

/// A tensor's name, shape, role and precision.
#[derive(Clone, Debug)]
pub struct VarInfo {
    /// For messages and profiles.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Its role.
    pub role: Role,
    /// How its numbers are stored.
    pub precision: Precision,
}

impl VarInfo {
    /// In f32.
    pub fn new(name: impl Into<String>, shape: Shape, role: Role) -> Self {
        Self { name: name.into(), shape, role, precision: Precision::F32 }
    }

    /// Bytes in storage.
    pub fn bytes(&self) -> u64 {
        self.precision.bytes(self.shape)
    }
}

/// An operator at its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it computes.
    pub op: Arc<dyn Operator>,
    /// Name of the block that made it, for messages and profiles.
    pub scope: String,
    /// What it reads (and, where [`Operator::updates`] says so, changes).
    pub inputs: Vec<Var>,
    /// What it makes.
    pub outputs: Vec<Var>,
}

/// A static op graph in execution order.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// All tensors.
    pub vars: Vec<VarInfo>,
    /// All operators in order.
    pub nodes: Vec<Node>,
    /// Parameters and kept buffers in order of creation.
    pub params: Vec<ParamInfo>,
    /// Tensors that must survive a run, to be read by the host.
    pub outputs: Vec<Var>,
    /// Tensors whose numbers never change, with these.
    pub constants: Vec<(Var, Vec<f32>)>,
    shortcuts: Vec<shortcut::Shortcut>,
    scope: Vec<String>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    fn var(&mut self, name: impl Into<String>, shape: Shape, role: Role) -> Var {
        self.vars.push(VarInfo::new(name, shape, role));
        Var(self.vars.len() - 1)
    }

    /// A tensor that the host writes before each run.
    pub fn input(&mut self, name: &str, shape: Shape) -> Var {
        self.var(name, shape, Role::Input)
    }

    /// The tensor of that name that the host writes.
    pub fn input_named(&self, name: &str) -> Option<Var> {
        self.vars.iter().position(|v| v.role == Role::Input && v.name == name).map(Var)
    }

    /// The parameter or kept buffer of that name below the current scope.
    pub fn param_named(&self, name: &str) -> Option<Var> {
        let name = self.path(name);
        self.params.iter().find(|p| p.name == name).map(|p| p.value)
    }

    /// A tensor of fixed numbers, NHWC without padding.
    ///
    /// # Errors
    /// [`Error::Shape`] if the count differs.
    pub fn constant(&mut self, name: &str, shape: Shape, numbers: Vec<f32>) -> Result<Var> {
        if numbers.len() != shape.count() {
            return Err(Error::shape(name, format!("wants {shape}, got {} numbers", numbers.len())));
        }
        let var = self.input(name, shape);
        self.constants.push((var, numbers));
        Ok(var)
    }

    /// A trained parameter, named below the current scope.
    pub fn param(&mut self, name: &str, layout: Layout, init: Init) -> Var {
        self.kept(name, layout, init, true)
    }

    /// A kept buffer that is not trained, named below the current scope.
    pub fn state(&mut self, name: &str, layout: Layout, init: Init) -> Var {
        self.kept(name, layout, init, false)
    }

    /// A kept buffer of integers of eight bits, all zero at first, named below the current scope.
    pub fn packed_state(&mut self, name: &str, layout: Layout) -> Var {
        let var = self.kept(name, layout, Init::Constant(0.0), false);
        self.vars[var.0].precision = Precision::I8;
        for param in self.params.iter_mut().filter(|p| p.value == var) {
            param.precision = Precision::I8;
        }
        var
    }

    /// Forgets the parameters and kept buffers that no operator reads.
    pub fn drop_unread(&mut self) {
        let read: HashSet<Var> = self.nodes.iter().flat_map(|n| n.inputs.iter().copied()).collect();
        self.params.retain(|p| read.contains(&p.value));
        for (index, param) in self.params.iter().enumerate() {
            let role = if param.trained { Role::Param(index) } else { Role::State(index) };
            self.vars[param.value.0].role = role;
        }
    }

    fn kept(&mut self, name: &str, layout: Layout, init: Init, trained: bool) -> Var {
        // Blocks applied several times (recurrent units) ask for the same parameter again.
        if let Some(known) = self.param_named(name) {
            return known;
        }
        let name = self.path(name);
        let index = self.params.len();
        let role = if trained { Role::Param(index) } else { Role::State(index) };
        let value = self.var(name.clone(), layout.shape(), role);
        self.params.push(ParamInfo { name, layout, init, trained, precision: Precision::F32, value });
        value
    }

    /// Runs `f` with `name` appended to the scope.
    pub fn scoped<T>(&mut self, name: &str, f: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(name.to_string());
        let result = f(self);
        self.scope.pop();
        result
    }

    /// `name` below the current scope, joined by dots as PyTorch does.
    fn path(&self, name: &str) -> String {
        self.scope
            .iter()
            .map(String::as_str)
            .chain([name])
            .filter(|s| !s.is_empty())
            .collect::<Vec<_>>()
            .join(".")
    }

    /// Adds `op` on `inputs` and returns all its outputs.
    ///
    /// # Errors
    /// [`Error::Shape`] if the operator cannot work on these shapes.
    pub fn apply_all(&mut self, op: impl Operator, inputs: &[Var]) -> Result<Vec<Var>> {
        self.push(Arc::new(op), inputs)
    }

    /// As [`Self::apply_all`] for an operator whose type is not known.
    ///
    /// # Errors
    /// As [`Self::apply_all`].
    pub fn push(&mut self, op: Arc<dyn Operator>, inputs: &[Var]) -> Result<Vec<Var>> {
        let shapes: Vec<Shape> = inputs.iter().map(|v| self.shape(*v)).collect();
        let scope = self.path("");
        let outputs = op.shapes(&shapes).map_err(|e| match e {
            Error::Shape { op, message } if !scope.is_empty() => {
                Error::Shape { op, message: format!("{message} (in {scope})") }
            }
            other => other,
        })?;
        let name = op.name();
        let packed = op.packed_inputs();
        if let Some(i) = (0..inputs.len())
            .find(|i| packed.contains(i) != (self.vars[inputs[*i].0].precision == Precision::I8))
        {
            let found = self.vars[inputs[i].0].precision;
            return Err(Error::shape(
                name,
                format!("input {i} is stored as {found:?}, which it cannot read"),
            ));
        }
        let outputs: Vec<Var> = outputs.into_iter().map(|s| self.var(name, s, Role::Value)).collect();
        for i in op.packed_outputs() {
            self.vars[outputs[i].0].precision = Precision::I8;
        }
        self.nodes.push(Node { op, scope, inputs: inputs.to_vec(), outputs: outputs.clone() });
        Ok(outputs)
    }

    /// Adds `op` on `inputs` and returns its first output.
    ///
    /// # Errors
    /// As [`Self::apply_all`].
    pub fn apply(&mut self, op: impl Operator, inputs: &[Var]) -> Result<Var> {
        let name = op.name();
        self.apply_all(op, inputs)?.first().copied().ok_or_else(|| Error::shape(name, "has no output"))
    }

    /// Shape of a tensor.
    pub fn shape(&self, var: Var) -> Shape {
        self.vars[var.0].shape
    }

    /// Marks a tensor to be read by the host after a run.
    pub fn output(&mut self, var: Var) {
        if !self.outputs.contains(&var) {
            self.outputs.push(var);
        }
    }

    /// The accumulator of a parameter's gradient, made when first asked for.
    pub fn gradient_of(&mut self, param: Var) -> Option<Var> {
        let Role::Param(index) = self.vars[param.0].role else { return None };
        let role = Role::Gradient(index);
        let known = self.vars.iter().position(|v| v.role == role).map(Var);
        Some(known.unwrap_or_else(|| {
            let (name, shape) = (format!("grad {}", self.vars[param.0].name), self.shape(param));
            self.var(name, shape, role)
        }))
    }

    /// True if it computes gradients of parameters.
    pub fn trains(&self) -> bool {
        self.vars.iter().any(|v| matches!(v.role, Role::Gradient(_)))
    }

    /// Choices that between them take every form of every node on a device.
    pub fn all_choices(&self, device: &Capabilities) -> Vec<Choices> {
        lower::all_choices(self, device)
    }

    /// The forms of a node on a device, where it has several.
    pub fn forms_of(&self, node: &Node, device: &Capabilities) -> Option<Forms> {
        lower::forms(self, node, device)
    }

    /// Trained numbers, without padding.
    pub fn parameter_count(&self) -> usize {
        self.params.iter().filter(|p| p.trained).map(|p| p.layout.count()).sum()
    }

    /// Work and traffic of all nodes.
    pub fn cost(&self) -> Cost {
        let mut total = Cost::default();
        for node in &self.nodes {
            total += self.node_cost(node);
        }
        total
    }

    /// Work and traffic of one node.
    pub fn node_cost(&self, node: &Node) -> Cost {
        let shapes = |vars: &[Var]| vars.iter().map(|v| self.shape(*v)).collect::<Vec<_>>();
        let cost = node.op.cost(&shapes(&node.inputs), &shapes(&node.outputs));
        // Operators count in f32; what is stored in half is spared once a tensor.
        let tensors = node.inputs.iter().chain(&node.outputs).map(|v| &self.vars[v.0]);
        let spared: u64 = tensors.map(|info| info.shape.bytes() - info.bytes()).sum();
        Cost { bytes: cost.bytes.saturating_sub(spared), ..cost }
    }
}

//! What a graph becomes for one device: a flat list of dispatches and the memory they need.

use serde::Serialize;

use super::{
    Cost, Graph, MemoryPlan, Pass, Precision, Var, VarInfo,
    lower::{self, Lowered},
    memory,
};
use crate::{
    Error, Result,
    gpu::{Choices, Context},
};

/// Time that one submission may take by estimate; desktop drivers reset a GPU that is busy for seconds.
const SUBMISSION_MS: f64 = 100.0;

/// A lowered graph, before anything is allocated.
#[derive(Clone, Debug)]
pub struct Plan {
    /// All tensors, scratch included.
    pub vars: Vec<VarInfo>,
    /// Dispatches in order.
    pub passes: Vec<Pass>,
    /// Where tensors lie.
    pub memory: MemoryPlan,
    /// Names of parameters and kept buffers, to be sure that weights belong to the plan.
    pub params: Vec<String>,
    /// Tensors whose numbers never change, with these.
    pub constants: Vec<(Var, Vec<f32>)>,
    /// Forms of the kernels, where there was a choice.
    pub choices: Choices,
    /// First pass of each submission.
    pub submissions: Vec<usize>,
    summary: Summary,
}

/// What `gyre plan` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Operators in the graph.
    pub ops: usize,
    /// Dispatches of a run.
    pub dispatches: usize,
    /// Submissions of a run.
    pub submissions: usize,
    /// Trained numbers.
    pub parameters: usize,
    /// Floating-point operations of a run.
    pub flops: u64,
    /// Bytes moved if each operator's tensors pass memory once.
    pub traffic_bytes: u64,
    /// Bytes of parameters and kept buffers.
    pub parameter_bytes: u64,
    /// Bytes of gradients (training plans).
    pub gradient_bytes: u64,
    /// Bytes of activations, inputs and workspaces, sharing counted.
    pub activation_bytes: u64,
    /// The least that activations could take: the largest sum of tensors needed at once.
    pub activation_lower_bound: u64,
    /// Everything together.
    pub peak_bytes: u64,
}

impl Plan {
    /// Lowers `graph` for the device of `context`, which from now on keeps to the forms that were taken.
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if a single tensor passes the device's limits, [`Error::Device`] if the graph is of
    /// mixed precision and the device knows no f16.
    pub fn new(graph: &Graph, context: &Context) -> Result<Self> {
        let plan = Self::with(graph, context, &context.choices())?;
        context.keep(plan.choices.clone());
        Ok(plan)
    }

    /// As [`Self::new`], with other choices of kernels than the context's.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(graph: &Graph, context: &Context, choices: &Choices) -> Result<Self> {
        if !context.tier.f16 && graph.vars.iter().any(|v| v.precision == Precision::F16) {
            return Err(Error::Device(format!(
                "{} lacks f16 in shaders (the feature shader-f16), which mixed precision needs; use precision \"f32\"",
                context.info.name
            )));
        }
        let Lowered { passes, vars, choices } = lower::lower(graph, &context.capabilities(), choices)?;
        let limit = context.capabilities().tensor_bytes;
        let memory = memory::plan(&vars, &passes, &graph.outputs, limit)?;
        let submissions = split(&passes, context);
        let summary = summarise(graph, &passes, &memory, submissions.len());
        let params = graph.params.iter().map(|p| p.name.clone()).collect();
        let constants = graph.constants.clone();
        Ok(Self { vars, passes, memory, params, constants, choices, submissions, summary })
    }

    /// The figures of the plan.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }
}

fn summarise(graph: &Graph, passes: &[Pass], memory: &MemoryPlan, submissions: usize) -> Summary {
    let cost = graph.cost();
    let bytes = |wanted: fn(&VarInfo) -> bool| -> u64 {
        graph.vars.iter().filter(|v| wanted(v)).map(VarInfo::bytes).sum()
    };
    use super::Role::{Gradient, Param, State};
    let parameter_bytes = bytes(|v| matches!(v.role, Param(_) | State(_)));
    let gradient_bytes = bytes(|v| matches!(v.role, Gradient(_)));
    Summary {
        ops: graph.nodes.len(),
        dispatches: passes.len(),
        submissions,
        parameters: graph.parameter_count(),
        flops: cost.flops,
        traffic_bytes: cost.bytes,
        parameter_bytes,
        gradient_bytes,
        activation_bytes: memory.bytes(),
        activation_lower_bound: memory.lower_bound,
        peak_bytes: parameter_bytes + gradient_bytes + memory.bytes(),
    }
}

/// Splits the passes so that no submission's estimate passes the budget. The rates are deliberately low;
/// a software device has no watchdog and is never split.
fn split(passes: &[Pass], context: &Context) -> Vec<usize> {
    let (gflops, gbytes) = match context.info.device_type {
        wgpu::DeviceType::Cpu => return vec![0],
        wgpu::DeviceType::DiscreteGpu => (2000.0, 100.0),
        _ => (200.0, 15.0),
    };
    let estimate = |c: &Cost| (c.flops as f64 / gflops).max(c.bytes as f64 / gbytes) * 1e-6 + 0.005;
    let mut starts = vec![0];
    let mut spent = 0.0;
    for (i, pass) in passes.iter().enumerate() {
        let ms = estimate(&pass.cost);
        if spent > 0.0 && spent + ms > SUBMISSION_MS {
            starts.push(i);
            spent = 0.0;
        }
        spent += ms;
    }
    starts
}

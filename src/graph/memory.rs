//! Where each tensor lies and when: buffers shared by tensors whose lives do not meet.

use super::{Access, Pass, Role, Var, VarInfo};
use crate::{Error, Result};

/// The memory of a plan.
#[derive(Clone, Debug, Default)]
pub struct MemoryPlan {
    /// Bytes of each shared buffer.
    pub slots: Vec<u64>,
    pub(super) slots_of: Vec<Option<usize>>,
    /// The largest sum, over the passes, of shared tensors that are still needed: no plan can do with less.
    pub lower_bound: u64,
}

impl MemoryPlan {
    /// The shared buffer of a tensor that is computed or given by the host; parameters, gradients and kept
    /// buffers have none.
    pub fn slot_of(&self, var: Var) -> Option<usize> {
        self.slots_of.get(var.0).copied().flatten()
    }

    /// Bytes of all shared buffers.
    pub fn bytes(&self) -> u64 {
        self.slots.iter().sum()
    }
}

/// First and last pass that needs a tensor.
#[derive(Clone, Copy, Debug)]
struct Life {
    first: usize,
    last: usize,
}

/// Gives every shared tensor a buffer: largest first, into the first buffer that is free for its whole
/// life. Tensors of one pass always differ in buffer, as wgpu tracks usage per buffer.
pub(super) fn plan(vars: &[VarInfo], passes: &[Pass], outputs: &[Var], limit: u64) -> Result<MemoryPlan> {
    let lives = lives(vars, passes, outputs);
    let mut order: Vec<usize> = (0..vars.len()).filter(|v| lives[*v].is_some()).collect();
    order.sort_by_key(|v| std::cmp::Reverse(vars[*v].bytes()));
    let mut memory = MemoryPlan { slots_of: vec![None; vars.len()], ..Default::default() };
    let mut tenants: Vec<Vec<Life>> = Vec::new();
    for v in order {
        let Some(life) = lives[v] else { continue };
        let bytes = vars[v].bytes();
        if bytes > limit {
            let VarInfo { name, shape, .. } = &vars[v];
            return Err(Error::OutOfMemory(format!(
                "the tensor {name} of {shape} needs {bytes} bytes in one buffer, the device allows {limit}; \
                 use a smaller batch or smaller tiles"
            )));
        }
        // All buffers so far are at least this large; the newest is the tightest.
        let free = tenants.iter().rposition(|t| t.iter().all(|o| o.last < life.first || life.last < o.first));
        let slot = free.unwrap_or_else(|| {
            tenants.push(Vec::new());
            memory.slots.push(bytes);
            tenants.len() - 1
        });
        tenants[slot].push(life);
        memory.slots_of[v] = Some(slot);
    }
    memory.lower_bound = lower_bound(vars, &lives, passes.len());
    Ok(memory)
}

fn lives(vars: &[VarInfo], passes: &[Pass], outputs: &[Var]) -> Vec<Option<Life>> {
    let mut lives: Vec<Option<Life>> = vec![None; vars.len()];
    let mut touch = |v: Var, at: usize| {
        let life = lives[v.0].get_or_insert(Life { first: at, last: at });
        (life.first, life.last) = (life.first.min(at), life.last.max(at));
    };
    for (at, pass) in passes.iter().enumerate() {
        pass.dispatch.buffers.iter().copied().map(Access::var).for_each(|v| touch(v, at));
    }
    let end = passes.len();
    for v in outputs {
        touch(*v, end);
    }
    for (v, info) in vars.iter().enumerate() {
        match info.role {
            // The host writes inputs before the first pass and may replay without writing them again.
            Role::Input => lives[v] = Some(Life { first: 0, last: end }),
            Role::Value | Role::Scratch => {}
            Role::Param(_) | Role::Gradient(_) | Role::State(_) => lives[v] = None,
        }
    }
    lives
}

fn lower_bound(vars: &[VarInfo], lives: &[Option<Life>], passes: usize) -> u64 {
    let mut change = vec![0i64; passes + 2];
    for (info, life) in vars.iter().zip(lives) {
        if let Some(life) = life {
            change[life.first] += info.bytes() as i64;
            change[life.last + 1] -= info.bytes() as i64;
        }
    }
    let mut now = 0;
    change
        .iter()
        .map(|c| {
            now += c;
            now
        })
        .max()
        .unwrap_or(0) as u64
}

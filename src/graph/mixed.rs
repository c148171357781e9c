//! How the numbers of tensors are stored, and mixed precision: which are stored in half.

use std::{borrow::Cow, collections::HashSet};

use half::{f16, slice::HalfFloatSliceExt};

use super::{Graph, Role, Shape, Var};

/// How the numbers of a tensor are stored. Of f32 and half arithmetic is in f32 either way, but for the factors
/// of products on matrix units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Four bytes a number.
    #[default]
    F32,
    /// Two bytes a number: 11 bits of precision, up to 65504.
    F16,
    /// One byte a number: integers from -128 to 127, the four channels of a vec4 in one word. Only operators that
    /// say so ([`super::Operator::packed_inputs`]) take them.
    I8,
}

impl Precision {
    /// Bytes that a tensor takes.
    pub const fn bytes(self, shape: Shape) -> u64 {
        match self {
            Self::F32 => shape.bytes(),
            Self::F16 => shape.bytes() / 2,
            Self::I8 => shape.bytes() / 4,
        }
    }

    /// Numbers as they are stored; beyond the range of half they become infinite, and what is no integer of eight
    /// bits the nearest one.
    pub(super) fn encode(self, numbers: &[f32]) -> Cow<'_, [u8]> {
        match self {
            Self::F32 => bytemuck::cast_slice(numbers).into(),
            Self::F16 => {
                let mut stored = vec![f16::ZERO; numbers.len()];
                stored.convert_from_f32_slice(numbers);
                bytemuck::cast_slice(&stored).to_vec().into()
            }
            // Casts to integers go to the end of their range.
            Self::I8 => numbers.iter().map(|v| v.round_ties_even() as i8 as u8).collect::<Vec<u8>>().into(),
        }
    }

    /// Stored numbers as f32.
    pub(super) fn decode(self, stored: &[u8]) -> Cow<'_, [f32]> {
        match self {
            Self::F32 => match bytemuck::try_cast_slice(stored) {
                Ok(numbers) => numbers.into(),
                Err(_) => bytemuck::pod_collect_to_vec(stored).into(),
            },
            Self::F16 => {
                let stored: Vec<f16> = bytemuck::pod_collect_to_vec(stored);
                stored.to_f32_vec().into()
            }
            Self::I8 => stored.iter().map(|byte| f32::from(*byte as i8)).collect::<Vec<f32>>().into(),
        }
    }
}

impl Graph {
    /// Stores activations and their gradients in half. To be called once the graph is complete.
    ///
    /// In f32 stay parameters, their gradients and all other state, what the host writes and reads, what an
    /// operator declares exact (statistics, losses and what they read), workspaces, and whatever has one pixel
    /// a picture, where there is little to spare.
    pub fn mixed(&mut self) {
        let values = (0..self.vars.len()).map(Var).filter(|v| self.vars[v.0].role == Role::Value);
        let values: Vec<Var> = values.filter(|v| !self.outputs.contains(v)).collect();
        self.halve(&values);
    }

    /// Stores those of `vars` in half for which no operator wants f32.
    pub fn halve(&mut self, vars: &[Var]) {
        let fits = |v: &Var| is_picture(self.shape(*v)) && self.vars[v.0].precision != Precision::I8;
        let wanted: HashSet<Var> = vars.iter().copied().filter(fits).collect();
        let exact = self.nodes.iter().flat_map(|n| n.op.exact_inputs().into_iter().map(|i| n.inputs[i]));
        let mut exact: HashSet<Var> = exact.collect();
        for node in &self.nodes {
            let is_half = |v: &Var| self.vars[v.0].precision == Precision::F16;
            let half = |v: &Var| (wanted.contains(v) && !exact.contains(v)) || is_half(v);
            let half: Vec<bool> = node.inputs.iter().map(half).collect();
            exact.extend(node.op.exact_outputs(&half).into_iter().map(|i| node.outputs[i]));
        }
        for var in wanted.difference(&exact) {
            self.vars[var.0].precision = Precision::F16;
        }
    }
}

/// Whether a tensor has more than a pixel a picture.
const fn is_picture(shape: Shape) -> bool {
    shape.h * shape.w > 1
}

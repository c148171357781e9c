//! Energies by step, which the steps' kernels sum up on their way.

use crate::{
    gpu::Variant,
    graph::{Access, Lowering, Shape, Var},
};

/// The partial sums of a descent, some for each picture and step: mostly one a workgroup, which then does not cross pictures.
pub(super) struct Trace {
    /// Where the kernels of the steps leave their sums.
    pub partial: Var,
    pictures: usize,
    groups: usize,
    times: usize,
}

impl Trace {
    /// For `times` energies of pictures of `groups` sums each.
    pub fn new(l: &mut Lowering<'_>, pictures: usize, groups: usize, times: usize) -> Self {
        let partial = l.scratch("energies", Shape::new(times, pictures, groups, 4));
        Self { partial, pictures, groups, times }
    }

    /// Where the sums of a step begin.
    pub const fn row(&self, step: usize) -> usize {
        step * self.pictures * self.groups
    }

    /// Adds the dispatch that sums them up into `energies`, `[N, 1, 1, times]`.
    pub fn finish(&self, l: &mut Lowering<'_>, energies: Var) {
        let c4 = self.times.div_ceil(4);
        let params = vec![
            ("groups", self.groups.into()),
            ("pictures", self.pictures.into()),
            ("steps", self.times.into()),
            ("c4", c4.into()),
        ];
        let buffers = vec![Access::Write(energies), Access::Read(self.partial)];
        l.dispatch(Variant::new("energy/trace"), params, buffers, 64 * self.pictures * c4);
    }
}

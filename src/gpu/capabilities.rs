//! What decides which forms of a kernel a device can run.

use super::{Tier, Variant};

/// The matrix units of a device: products of square matrices, f16 factors and f32 sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrices {
    /// Rows and columns: 8 or 16.
    pub side: u32,
    /// Invocations of a subgroup, which work on a matrix together; always the same.
    pub subgroup: u32,
}

impl Matrices {
    /// What kernels use of an adapter, where it has it: the larger matrices first. A device whose subgroups
    /// vary in size has none; Metal leaves their size open, and all its devices with matrices have 32.
    pub(super) fn of(adapter: &wgpu::Adapter) -> Option<Self> {
        use wgpu::CooperativeScalarType::{F16, F32};
        let has = |features| adapter.features().contains(features);
        let info = adapter.get_info();
        // Workgroups of four subgroups must fit into 256 invocations.
        let subgroup = match (info.backend, info.subgroup_min_size, info.subgroup_max_size) {
            (wgpu::Backend::Metal, ..) => 32,
            (_, least, most) if least == most && most <= 64 => least,
            _ => return None,
        };
        let able = has(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX)
            && has(wgpu::Features::SHADER_F16 | wgpu::Features::SUBGROUP);
        let all = adapter.cooperative_matrix_properties();
        let square = |side: u32| {
            let fits = |p: &&wgpu::CooperativeMatrixProperties| {
                [p.m_size, p.n_size, p.k_size] == [side; 3] && p.ab_type == F16 && p.cr_type == F32
            };
            all.iter().find(fits).map(|_| Self { side, subgroup })
        };
        if able { square(16).or_else(|| square(8)) } else { None }
    }

    /// A workgroup of four subgroups on these matrices.
    pub fn sized(&self, variant: Variant) -> Variant {
        let variant = variant.constant("SUBGROUP", self.subgroup).constant("THREADS", 4 * self.subgroup);
        variant.feature("eight", self.side == 8)
    }
}

/// The part of a device that kernels are chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The processor is the device: workgroup memory only costs.
    pub software: bool,
    /// Optional features.
    pub tier: Tier,
    /// Matrix units.
    pub matrices: Option<Matrices>,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Most invocations of a workgroup.
    pub invocations: u32,
    /// Most bytes of a tensor.
    pub tensor_bytes: u64,
}

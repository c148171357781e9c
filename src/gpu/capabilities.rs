//! What decides which forms of a kernel a device can run.

use super::Tier;

/// The part of a device that kernels are chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The processor is the device: workgroup memory only costs.
    pub software: bool,
    /// Optional features.
    pub tier: Tier,
    /// Bytes of workgroup memory.
    pub workgroup_bytes: u32,
    /// Most invocations of a workgroup.
    pub invocations: u32,
    /// Most bytes of a tensor.
    pub tensor_bytes: u64,
}

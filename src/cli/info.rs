//! `gyre info`: adapters, tiers, limits.

use clap::Args;
use serde::Serialize;

use super::say;
use crate::{
    Error, Result,
    gpu::{Context, Tier, adapters},
};

#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// An adapter as the command shows it.
#[derive(Debug, Serialize)]
pub struct Adapter {
    index: usize,
    name: String,
    backend: String,
    kind: String,
    driver: String,
    tier: Tier,
    subgroup_sizes: [u32; 2],
    max_buffer_bytes: u64,
    max_binding_bytes: u64,
    workgroup_memory_bytes: u32,
    workgroup_invocations: u32,
    storage_buffers: u32,
}

impl Adapter {
    fn new(index: usize, adapter: &wgpu::Adapter) -> Self {
        let (info, limits) = (adapter.get_info(), adapter.limits());
        Self {
            index,
            name: info.name,
            backend: format!("{:?}", info.backend),
            kind: format!("{:?}", info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            tier: Tier::of(adapter.features()),
            subgroup_sizes: [info.subgroup_min_size, info.subgroup_max_size],
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
        }
    }
}

/// What `gyre doctor` says of the device it ran on.
#[derive(Debug, Serialize)]
pub struct Device {
    name: String,
    backend: String,
    kind: String,
    driver: String,
    tier: Tier,
}

impl Device {
    /// Of a context.
    pub fn new(context: &Context) -> Self {
        let info = &context.info;
        Self {
            name: info.name.clone(),
            backend: format!("{:?}", info.backend),
            kind: format!("{:?}", info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
            tier: context.tier,
        }
    }

    /// Name of the adapter.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Vulkan, Metal, DX12.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// Driver and version.
    pub fn driver(&self) -> &str {
        &self.driver
    }
}

/// Runs the command.
///
/// # Errors
/// [`Error::NoAdapter`] if there is none.
pub fn info(args: &InfoArgs) -> Result<u8> {
    let all: Vec<Adapter> = adapters().iter().enumerate().map(|(i, a)| Adapter::new(i, a)).collect();
    if args.json {
        super::print_json(&all)?;
    }
    if all.is_empty() {
        return Err(Error::NoAdapter("none found; install a Vulkan driver (see README)".into()));
    }
    if !args.json {
        all.iter().for_each(print);
    }
    Ok(0)
}

fn print(a: &Adapter) {
    let t = &a.tier;
    let has = |on: bool, what: &'static str| on.then_some(what);
    let extras: Vec<_> = [
        has(t.subgroups, "subgroups"),
        has(t.f16, "f16"),
        has(t.timestamps, "timestamps"),
        has(t.immediates, "immediates"),
        has(t.cooperative_matrix, "cooperative matrix"),
    ]
    .into_iter()
    .flatten()
    .collect();
    say!("{}: {} ({}, {})", a.index, a.name, a.kind, a.backend);
    say!("   driver    {}", a.driver);
    say!("   tier      {} ({})", t.level, extras.join(", "));
    say!("   subgroups {} to {} invocations", a.subgroup_sizes[0], a.subgroup_sizes[1]);
    say!(
        "   limits    buffers {} MiB, bindings {} MiB, {} of them; workgroups of {}, {} KiB of memory",
        a.max_buffer_bytes >> 20,
        a.max_binding_bytes >> 20,
        a.storage_buffers,
        a.workgroup_invocations,
        a.workgroup_memory_bytes >> 10
    );
}

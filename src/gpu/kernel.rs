//! Compiled kernels and the dispatches that use them.

use super::{Binding, Context, Expanded, Variant};
use crate::{Error, Result};

/// A 4-byte member of a kernel's uniform struct.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Word {
    /// `u32`.
    U(u32),
    /// `i32`.
    I(i32),
    /// `f32`.
    F(f32),
}

impl Word {
    /// The bits as the shader sees them.
    pub fn bits(self) -> u32 {
        match self {
            Self::U(v) => v,
            Self::I(v) => v as u32,
            Self::F(v) => v.to_bits(),
        }
    }
}

impl From<usize> for Word {
    fn from(v: usize) -> Self {
        Self::U(v as u32)
    }
}

impl From<u32> for Word {
    fn from(v: u32) -> Self {
        Self::U(v)
    }
}

impl From<i32> for Word {
    fn from(v: i32) -> Self {
        Self::I(v)
    }
}

impl From<f32> for Word {
    fn from(v: f32) -> Self {
        Self::F(v)
    }
}

/// What a kernel is asked to do once: a variant, its parameters, its buffers and its grid.
#[derive(Clone, Debug)]
pub struct Dispatch<B> {
    /// Which form of which kernel.
    pub variant: Variant,
    /// Uniform members by name, in the struct's order; checked against the shader.
    pub params: Vec<(&'static str, Word)>,
    /// Buffers in the order of their binding numbers (binding 0 is the uniform).
    pub buffers: Vec<B>,
    /// Invocations wanted along x; the kernel guards its own end.
    pub threads: usize,
}

/// A compiled pipeline.
#[derive(Debug)]
pub struct Kernel {
    /// The variant's label.
    pub label: String,
    pub(crate) pipeline: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
    /// What the source says of itself.
    pub expanded: Expanded,
}

/// Most workgroups along one axis that WebGPU promises.
const MAX_GROUPS: u32 = 65_535;

impl Kernel {
    /// Compiles `variant` for the context's device.
    ///
    /// # Errors
    /// [`Error::Shader`] with what naga or the driver said, or which limit of the device it passes.
    pub(crate) fn new(context: &Context, variant: &Variant) -> Result<Self> {
        let expanded = super::expand(variant)?;
        let label = variant.label();
        check_limits(&expanded, &context.limits)
            .map_err(|message| Error::Shader { shader: label.clone(), message })?;
        let entries: Vec<_> = expanded.bindings.iter().map(|(i, b)| layout_entry(*i, *b)).collect();
        let device = &context.device;
        let (kernel, error) = context.scoped(|| {
            let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(&label),
                entries: &entries,
            });
            let module = context.shader_module(&label, &expanded.wgsl);
            let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(&label),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&label),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: None,
                compilation_options: wgpu::PipelineCompilationOptions {
                    zero_initialize_workgroup_memory: false,
                    ..Default::default()
                },
                cache: context.pipeline_cache(),
            });
            Self { label: label.clone(), pipeline, layout, expanded }
        });
        match error {
            Some(message) => Err(Error::Shader { shader: label, message }),
            None => Ok(kernel),
        }
    }

    /// Packs `params` after comparing their names with the shader's struct.
    ///
    /// # Errors
    /// [`Error::Shader`] if names or order differ.
    pub fn pack(&self, params: &[(&'static str, Word)]) -> Result<Vec<u32>> {
        let same = params.iter().map(|p| p.0).eq(self.expanded.params.iter().map(String::as_str));
        if !same {
            let given: Vec<_> = params.iter().map(|p| p.0).collect();
            return Err(Error::Shader {
                shader: self.label.clone(),
                message: format!("parameters {given:?} do not match the struct {:?}", self.expanded.params),
            });
        }
        Ok(params.iter().map(|p| p.1.bits()).collect())
    }

    /// A buffer of `params` for [`Self::bind`].
    ///
    /// # Errors
    /// As [`Self::pack`], and [`Error::OutOfMemory`].
    pub(crate) fn uniform(&self, context: &Context, params: &[(&'static str, Word)]) -> Result<wgpu::Buffer> {
        let words = self.pack(params)?;
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        // Uniform structs are bound in whole units of 16 bytes.
        let uniform = context.buffer(&self.label, (4 * words.len() as u64).next_multiple_of(16), usage)?;
        context.queue.write_buffer(&uniform, 0, bytemuck::cast_slice(&words));
        Ok(uniform)
    }

    /// Binds `resources`, the uniform first, in the order of their binding numbers.
    ///
    /// # Errors
    /// [`Error::Shader`] with what the driver said of a resource that does not fit.
    pub(crate) fn bind<'a>(
        &self,
        context: &Context,
        resources: impl IntoIterator<Item = wgpu::BindingResource<'a>>,
        groups: [u32; 3],
    ) -> Result<Step> {
        let entries: Vec<_> = resources
            .into_iter()
            .zip(&self.expanded.bindings)
            .map(|(resource, slot)| wgpu::BindGroupEntry { binding: slot.0, resource })
            .collect();
        let descriptor =
            wgpu::BindGroupDescriptor { label: Some(&self.label), layout: &self.layout, entries: &entries };
        let (bind_group, error) = context.scoped(|| context.device.create_bind_group(&descriptor));
        match error {
            Some(message) => Err(Error::Shader { shader: self.label.clone(), message }),
            None => Ok(Step { pipeline: self.pipeline.clone(), bind_group, groups }),
        }
    }

    /// Workgroups for one invocation a pixel of a `width` x `height` grid.
    pub(crate) fn tiles(&self, width: u32, height: u32) -> [u32; 3] {
        let [x, y, _] = self.expanded.workgroup;
        [width.div_ceil(x), height.div_ceil(y), 1]
    }

    /// Workgroups for `threads` invocations; the grid is folded into y where x alone would pass the
    /// limit, and kernels find their index with `shared::grid::invocation`.
    pub fn groups(&self, threads: usize) -> [u32; 3] {
        let size = self.expanded.workgroup.iter().product::<u32>() as usize;
        let groups = threads.div_ceil(size).max(1) as u32;
        let y = groups.div_ceil(MAX_GROUPS);
        [groups.div_ceil(y), y, 1]
    }
}

/// A kernel with its buffers and grid, ready to be recorded.
#[derive(Debug)]
pub(crate) struct Step {
    pub pipeline: wgpu::ComputePipeline,
    pub bind_group: wgpu::BindGroup,
    pub groups: [u32; 3],
}

impl Step {
    pub(crate) fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.groups[0], self.groups[1], self.groups[2]);
    }
}

fn layout_entry(binding: u32, kind: Binding) -> wgpu::BindGroupLayoutEntry {
    let buffer = |ty| wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None };
    let ty = match kind {
        Binding::Uniform => buffer(wgpu::BufferBindingType::Uniform),
        Binding::Read => buffer(wgpu::BufferBindingType::Storage { read_only: true }),
        Binding::ReadWrite => buffer(wgpu::BufferBindingType::Storage { read_only: false }),
        Binding::Texture => wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: false },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        Binding::StorageTexture => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::WriteOnly,
            format: wgpu::TextureFormat::Rgba8Unorm,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
    };
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::COMPUTE, ty, count: None }
}

/// Holds a shader to the limits of a device or tier; the message names the limit passed.
pub(crate) fn check_limits(shader: &Expanded, limits: &wgpu::Limits) -> Result<(), String> {
    let count = |kinds: &[Binding]| shader.bindings.iter().filter(|b| kinds.contains(&b.1)).count() as u32;
    let storage = count(&[Binding::Read, Binding::ReadWrite]);
    let textures = count(&[Binding::Texture]);
    let written = count(&[Binding::StorageTexture]);
    let invocations: u32 = shader.workgroup.iter().product();
    for (what, used, limit) in [
        ("storage buffers", storage, limits.max_storage_buffers_per_shader_stage),
        ("textures", textures, limits.max_sampled_textures_per_shader_stage),
        ("storage textures", written, limits.max_storage_textures_per_shader_stage),
        ("invocations a workgroup", invocations, limits.max_compute_invocations_per_workgroup),
        ("bytes of workgroup memory", shader.workgroup_bytes, limits.max_compute_workgroup_storage_size),
    ] {
        if used > limit {
            return Err(format!("uses {used} {what}, the limit is {limit}"));
        }
    }
    Ok(())
}

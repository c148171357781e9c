//! A user's own kernel, timed like ours.

use std::{borrow::Cow, path::Path, slice};

use naga::AddressSpace;
use serde::Deserialize;

use super::{Ceilings, Report, Row, Times};
use crate::{
    Error, Result,
    gpu::{Context, Step, time},
    graph::Cost,
};

/// How a shader is to be run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Custom {
    /// Entry point; needed where the file has several.
    pub entry: Option<String>,
    /// Workgroups along x, y and z; empty axes are 1.
    pub groups: Vec<u32>,
    /// Bytes of each buffer of group 0, in the order of their binding numbers.
    pub buffers: Vec<u64>,
    /// Words of the uniform buffers, whole numbers as u32 or i32 and others as f32.
    pub uniform: Vec<toml::Value>,
    /// Floating-point operations of a run, for its rate.
    pub flops: u64,
    /// Bytes that a run moves, for its rate; without them those of all buffers.
    pub bytes: Option<u64>,
}

impl Custom {
    /// Settings from a TOML file.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Config`] naming a key that is unknown or unfit.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        toml::from_str(&text).map_err(|e| Error::Config(format!("{}: {e}", path.display())))
    }

    fn words(&self) -> Result<Vec<u32>> {
        let word = |value: &toml::Value| match value {
            toml::Value::Integer(v) => {
                u32::try_from(*v).or_else(|_| i32::try_from(*v).map(|v| v as u32)).ok()
            }
            toml::Value::Float(v) => Some((*v as f32).to_bits()),
            _ => None,
        };
        let unfit = |value: &toml::Value| Error::Config(format!("uniform: {value} is no number of 32 bits"));
        self.uniform.iter().map(|value| word(value).ok_or_else(|| unfit(value))).collect()
    }

    /// Compiles the WGSL of `source` (from `path`, for messages) with bounds checks and times it; medians of
    /// `runs`, beside the device's ceilings. Storage buffers begin with numbers between 0 and 1.
    ///
    /// # Errors
    /// [`Error::Shader`] with what is wrong in the source, [`Error::Config`] for settings that do not fit it.
    pub fn measure(&self, context: &Context, path: &Path, source: &str, runs: usize) -> Result<Report> {
        let name = path.display().to_string();
        let fail = |message: String| Error::Shader { shader: name.clone(), message };
        let module = naga::front::wgsl::parse_str(source).map_err(|e| fail(e.emit_to_string(source)))?;
        let entry = self.entry_point(&module)?;
        let bindings = bindings(&module);
        if bindings.len() != self.buffers.len() {
            return Err(Error::Config(format!(
                "{name} has {} buffers in group 0, and sizes of {} are given",
                bindings.len(),
                self.buffers.len()
            )));
        }
        let mut groups = [1; 3];
        if self.groups.is_empty() || self.groups.len() > 3 || self.groups.contains(&0) {
            return Err(Error::Config(format!("groups are {:?}; give 1 to 3 above 0", self.groups)));
        }
        groups.iter_mut().zip(&self.groups).for_each(|(to, from)| *to = *from);
        let buffers = self.fill(context, &bindings)?;
        let (step, error) = context.scoped(|| {
            let source = wgpu::ShaderSource::Wgsl(Cow::Borrowed(source));
            let module = context
                .device
                .create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(&name), source });
            let pipeline = context.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(&name),
                layout: None,
                module: &module,
                entry_point: Some(&entry),
                compilation_options: Default::default(),
                cache: None,
            });
            let entries: Vec<_> = bindings
                .iter()
                .zip(&buffers)
                .map(|((binding, _), buffer)| wgpu::BindGroupEntry {
                    binding: *binding,
                    resource: buffer.as_entire_binding(),
                })
                .collect();
            let layout = pipeline.get_bind_group_layout(0);
            let descriptor =
                wgpu::BindGroupDescriptor { label: Some(&name), layout: &layout, entries: &entries };
            let bind_group = context.device.create_bind_group(&descriptor);
            Step { pipeline, bind_group, groups }
        });
        if let Some(message) = error {
            return Err(fail(message));
        }
        time(context, &[(slice::from_ref(&step), &entry)], |_| ())?;
        let ms = (0..runs).map(|_| Ok(time(context, &[(slice::from_ref(&step), &entry)], |_| ())?[0]));
        let times = Times::of(ms.collect::<Result<_>>()?);
        let bytes = self.bytes.unwrap_or_else(|| self.buffers.iter().sum());
        let ceilings = Ceilings::measure(context, runs)?;
        let binding = [ceilings.matmul, ceilings.copy_of(self.buffers.iter().copied().max().unwrap_or(0))];
        let named = ["own", &name, &entry, &format!("{groups:?} workgroups")];
        let row = Row::new(named, 1, times, Cost { flops: self.flops, bytes }, binding);
        Ok(Report::new(context, ceilings, vec![row], Vec::new()))
    }

    fn entry_point(&self, module: &naga::Module) -> Result<String> {
        let compute = module.entry_points.iter().filter(|e| e.stage == naga::ShaderStage::Compute);
        let names: Vec<&str> = compute.map(|e| e.name.as_str()).collect();
        match (&self.entry, names.as_slice()) {
            (None, [one]) => Ok((*one).to_string()),
            (Some(wanted), names) if names.contains(&wanted.as_str()) => Ok(wanted.clone()),
            _ => Err(Error::Config(format!("name the entry point; the file has {names:?}"))),
        }
    }

    fn fill(&self, context: &Context, bindings: &[(u32, bool)]) -> Result<Vec<wgpu::Buffer>> {
        use wgpu::BufferUsages as Usage;
        let words = self.words()?;
        let one = |((_, uniform), bytes): (&(u32, bool), &u64)| {
            let usage = if *uniform { Usage::UNIFORM } else { Usage::STORAGE };
            let buffer = context.buffer("bench", *bytes, usage | Usage::COPY_DST)?;
            let count = (buffer.size() / 4) as usize;
            let data: Vec<u32> = if *uniform {
                words.iter().copied().chain(std::iter::repeat(0)).take(count).collect()
            } else {
                // Any numbers that are not all alike.
                (0..count).map(|i| ((i * 37 % 101) as f32 / 101.0).to_bits()).collect()
            };
            context.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&data));
            Ok(buffer)
        };
        bindings.iter().zip(&self.buffers).map(one).collect()
    }
}

/// Binding numbers of group 0 in order, and whether each is a uniform.
fn bindings(module: &naga::Module) -> Vec<(u32, bool)> {
    let one = |var: &naga::GlobalVariable| {
        let uniform = match var.space {
            AddressSpace::Uniform => true,
            AddressSpace::Storage { .. } => false,
            _ => return None,
        };
        var.binding.as_ref().filter(|b| b.group == 0).map(|b| (b.binding, uniform))
    };
    let mut all: Vec<_> = module.global_variables.iter().filter_map(|(_, var)| one(var)).collect();
    all.sort_unstable();
    all
}

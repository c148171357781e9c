//! A plan with its buffers, pipelines and bind groups, ready to be replayed.

use std::{collections::HashMap, sync::Arc};

use rayon::prelude::*;

use super::{Access, Pass, Plan, Role, Shape, Var, Weights, pad_channels, unpad_channels, weights::Arenas};
use crate::{
    Error, Result,
    gpu::{Binding, Context, Kernel, PassTime, Step, time},
};

/// Numbers that are padded at a time, few enough for the processor's cache; whole pixels of them, one at least.
const PART: usize = 4096;

/// A plan on a device. Replaying it submits the same commands each time; only inputs change.
pub struct Session {
    context: Arc<Context>,
    weights: Arc<Weights>,
    plan: Plan,
    steps: Vec<Step>,
    slots: Vec<wgpu::Buffer>,
    gradients: Option<Arenas>,
}

impl Session {
    /// Compiles the kernels, allocates the buffers and binds them.
    ///
    /// # Errors
    /// [`Error::Shader`] and [`Error::OutOfMemory`] as they come from the device.
    pub fn new(plan: Plan, weights: &Arc<Weights>) -> Result<Self> {
        let trains = plan.vars.iter().any(|v| matches!(v.role, Role::Gradient(_)));
        let gradients = if trains { Some(weights.like_values("gradients")?) } else { None };
        Self::sharing(plan, weights, gradients)
    }

    /// As [`Self::new`], adding into gradients that other sessions of the same weights use too.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Check`] if the weights are another model's.
    pub fn sharing(plan: Plan, weights: &Arc<Weights>, gradients: Option<Arenas>) -> Result<Self> {
        if !plan.params.iter().eq(weights.params.iter().map(|p| &p.name)) {
            return Err(Error::Check("the plan and the weights belong to different models".into()));
        }
        let context = weights.context.clone();
        let kernels = compile(&context, &plan.passes)?;
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let slots: Vec<_> = plan
            .memory
            .slots
            .iter()
            .map(|s| context.buffer("activations", *s, usage))
            .collect::<Result<_>>()?;
        let mut session =
            Self { context, weights: weights.clone(), plan, steps: Vec::new(), slots, gradients };
        session.steps = session.bind(kernels)?;
        session.write_constants()?;
        Ok(session)
    }

    fn write_constants(&self) -> Result<()> {
        self.plan.constants.iter().try_for_each(|(var, numbers)| self.write(*var, numbers))
    }

    /// Packs all uniforms into one buffer and makes the bind groups.
    fn bind(&self, kernels: Vec<Arc<Kernel>>) -> Result<Vec<Step>> {
        let align = self.context.limits.min_uniform_buffer_offset_alignment as usize;
        let mut words: Vec<u32> = Vec::new();
        let mut ranges = Vec::new();
        for (pass, kernel) in self.plan.passes.iter().zip(&kernels) {
            let packed = kernel.pack(&pass.dispatch.params)?;
            words.resize((4 * words.len()).next_multiple_of(align) / 4, 0);
            // Uniform structs are bound in whole units of 16 bytes.
            ranges.push((4 * words.len() as u64, (4 * packed.len()).next_multiple_of(16) as u64));
            words.extend(packed);
        }
        words.resize(words.len() + 4, 0);
        let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
        let uniforms = self.context.buffer("parameters of passes", 4 * words.len() as u64, usage)?;
        self.context.queue.write_buffer(&uniforms, 0, bytemuck::cast_slice(&words));

        let mut steps = Vec::with_capacity(kernels.len());
        for ((pass, kernel), (offset, size)) in self.plan.passes.iter().zip(kernels).zip(ranges) {
            check_access(pass, &kernel)?;
            let uniform = wgpu::BufferBinding { buffer: &uniforms, offset, size: size.try_into().ok() };
            let buffers = pass.dispatch.buffers.iter().map(|access| self.binding(access.var()));
            let buffers = std::iter::once(Ok(uniform)).chain(buffers).collect::<Result<Vec<_>>>()?;
            let resources = buffers.into_iter().map(wgpu::BindingResource::Buffer);
            steps.push(kernel.bind(&self.context, resources, kernel.groups(pass.dispatch.threads))?);
        }
        Ok(steps)
    }

    /// The buffer range of a tensor.
    fn binding(&self, var: Var) -> Result<wgpu::BufferBinding<'_>> {
        let info = &self.plan.vars[var.0];
        if let Some(slot) = self.plan.memory.slot_of(var) {
            return Ok(wgpu::BufferBinding {
                buffer: &self.slots[slot],
                offset: 0,
                size: info.bytes().try_into().ok(),
            });
        }
        let located = self.weights.locate(info.role, self.gradients.as_ref());
        let (buffer, place) = located.ok_or_else(|| {
            Error::Check(format!("the tensor {} is used by no pass or not by these weights", info.name))
        })?;
        Ok(wgpu::BufferBinding { buffer, offset: place.offset, size: place.bytes.try_into().ok() })
    }

    /// The plan that is replayed.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The weights that it runs with.
    pub fn weights(&self) -> &Arc<Weights> {
        &self.weights
    }

    /// The gradients, laid out like the parameters.
    pub fn gradients(&self) -> Option<&Arenas> {
        self.gradients.as_ref()
    }

    /// The buffer of an input or output, for a host that fills or reads it on the GPU: NHWC in the tensor's
    /// precision (f32 where nothing made it half), channels padded to four with zeros.
    ///
    /// # Errors
    /// [`Error::Check`] if no pass uses the tensor.
    pub fn buffer(&self, var: Var) -> Result<wgpu::BufferBinding<'_>> {
        self.binding(var)
    }

    /// Shape of a tensor.
    pub fn shape(&self, var: Var) -> Shape {
        self.plan.vars[var.0].shape
    }

    /// Sets an input from NHWC numbers without padding.
    ///
    /// # Errors
    /// [`Error::Shape`] if the count differs, [`Error::OutOfMemory`] and [`Error::Device`] if there is nothing to write through.
    pub fn write(&self, var: Var, data: &[f32]) -> Result<()> {
        let info = &self.plan.vars[var.0];
        if data.len() != info.shape.count() {
            return Err(Error::shape(
                &info.name,
                format!("wants {}, got {} numbers", info.shape, data.len()),
            ));
        }
        let Ok(binding) = self.binding(var) else { return Ok(()) };
        let c = info.shape.c;
        let part = c * (PART / c.max(1)).max(1);
        self.context.write_with(binding.buffer, binding.offset, info.bytes(), |put| {
            for part in data.chunks(part.max(1)) {
                let shape = Shape::new(1, 1, part.len() / c, c);
                put(&info.precision.encode(&pad_channels(shape, part)));
            }
        })
    }

    /// Sets an input to raw words (seeds, counters) in the places of its numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] if the words do not fit.
    pub fn write_words(&self, var: Var, words: &[u32]) -> Result<()> {
        let info = &self.plan.vars[var.0];
        if 4 * words.len() as u64 > info.bytes() {
            return Err(Error::shape(&info.name, format!("wants {}, got {} words", info.shape, words.len())));
        }
        let Ok(binding) = self.binding(var) else { return Ok(()) };
        self.context.queue.write_buffer(binding.buffer, binding.offset, bytemuck::cast_slice(words));
        Ok(())
    }

    /// Reads a tensor that survives the run, as NHWC numbers without padding; waits for the device.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn read(&self, var: Var) -> Result<Vec<f32>> {
        self.read_with(var, |stored| unpad_channels(self.shape(var), stored))
    }

    /// As [`Self::read`] with the padding of storage.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn read_padded(&self, var: Var) -> Result<Vec<f32>> {
        self.read_with(var, <[f32]>::to_vec)
    }

    fn read_with<T>(&self, var: Var, take: impl FnOnce(&[f32]) -> T) -> Result<T> {
        let binding = self.binding(var)?;
        let info = &self.plan.vars[var.0];
        let bytes = info.bytes();
        self.context
            .read_with(binding.buffer, binding.offset, bytes, |stored| take(&info.precision.decode(stored)))
    }

    /// Numbers of a parameter's gradient, in PyTorch's order.
    ///
    /// # Errors
    /// As [`Weights::read_like`].
    pub fn read_gradient(&self, gradients: &Arenas, name: &str) -> Result<Vec<f32>> {
        self.weights.read_like(gradients, name)
    }

    /// Fills every shared buffer but constants, and every gradient, with NaN, so that outputs which no pass writes
    /// show.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn poison(&self) -> Result<()> {
        let gradients = self.gradients.iter().flat_map(|g| &g.buffers);
        for buffer in self.slots.iter().chain(gradients) {
            // Not a number as f32, and twice as f16.
            let nan = vec![0x7fff_7fff_u32; (buffer.size() / 4) as usize];
            self.context.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&nan));
        }
        self.write_constants()
    }

    /// Records a clearing of the gradients.
    pub fn clear_gradients(&self, encoder: &mut wgpu::CommandEncoder) {
        for buffer in self.gradients.iter().flat_map(|g| &g.buffers) {
            encoder.clear_buffer(buffer, 0, None);
        }
    }

    /// Records all passes into a host's encoder. Nothing is written from the host, so a recording may be
    /// repeated before it is submitted.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        self.record_range(encoder, 0..self.steps.len());
    }

    fn record_range(&self, encoder: &mut wgpu::CommandEncoder, range: std::ops::Range<usize>) {
        let mut pass = encoder
            .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("gyre"), timestamp_writes: None });
        for (step, planned) in self.steps[range.clone()].iter().zip(&self.plan.passes[range]) {
            pass.push_debug_group(&planned.label);
            step.record(&mut pass);
            pass.pop_debug_group();
        }
    }

    /// Submits all passes, gradients cleared first; does not wait.
    pub fn run(&self) {
        self.submit(|encoder| self.clear_gradients(encoder), |_| ());
    }

    /// Submits all passes; `first` records what comes before them (as a clearing of the gradients, which else
    /// go on adding), and `then` what is to follow in the last submission.
    pub fn submit(
        &self,
        first: impl FnOnce(&mut wgpu::CommandEncoder),
        then: impl FnOnce(&mut wgpu::CommandEncoder),
    ) {
        let (mut first, mut then) = (Some(first), Some(then));
        let starts = &self.plan.submissions;
        for (i, start) in starts.iter().enumerate() {
            let end = starts.get(i + 1).copied().unwrap_or(self.steps.len());
            let mut encoder = self.context.device.create_command_encoder(&Default::default());
            if let Some(first) = first.take() {
                first(&mut encoder);
            }
            self.record_range(&mut encoder, *start..end);
            if end == self.steps.len()
                && let Some(then) = then.take()
            {
                then(&mut encoder);
            }
            self.context.queue.submit([encoder.finish()]);
        }
    }

    /// Runs once and times every pass on the device.
    ///
    /// # Errors
    /// What the device raises.
    pub fn profile(&self) -> Result<Vec<PassTime>> {
        let labels = self.plan.passes.iter().map(|p| p.label.as_str());
        let groups: Vec<_> = self.steps.iter().map(std::slice::from_ref).zip(labels).collect();
        let times = time(&self.context, &groups, |encoder| self.clear_gradients(encoder))?;
        Ok(groups
            .iter()
            .zip(times)
            .map(|((_, label), ms)| PassTime { label: label.to_string(), ms })
            .collect())
    }

    /// Runs once and times all passes together, the gaps between them too; milliseconds.
    ///
    /// # Errors
    /// What the device raises.
    pub fn profile_whole(&self) -> Result<f64> {
        let times =
            time(&self.context, &[(&self.steps[..], "whole")], |encoder| self.clear_gradients(encoder))?;
        Ok(times[0])
    }
}

/// Compiles each distinct variant once, on all cores.
fn compile(context: &Context, passes: &[Pass]) -> Result<Vec<Arc<Kernel>>> {
    let mut distinct: Vec<_> = passes.iter().map(|p| &p.dispatch.variant).collect();
    distinct.sort();
    distinct.dedup();
    let kernels: HashMap<_, _> =
        distinct.into_par_iter().map(|v| Ok((v, context.kernel(v)?))).collect::<Result<_>>()?;
    Ok(passes.iter().map(|p| kernels[&p.dispatch.variant].clone()).collect())
}

/// A pass must use its buffers as the shader declares them.
fn check_access(pass: &Pass, kernel: &Kernel) -> Result<()> {
    let declared = &kernel.expanded.bindings[1..];
    let given = pass.dispatch.buffers.iter().map(|a| match a {
        Access::Read(_) => Binding::Read,
        Access::Write(_) => Binding::ReadWrite,
    });
    if given.clone().eq(declared.iter().map(|b| b.1)) {
        return Ok(());
    }
    let message = format!("the pass binds {:?}, the shader declares {declared:?}", given.collect::<Vec<_>>());
    Err(Error::Shader { shader: kernel.label.clone(), message })
}

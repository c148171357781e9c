//! Optimisers: the whole update of all parameters in one dispatch an arena, loss scaling and clipping by norm
//! included, without a look from the host.

mod adam;
pub mod check;
mod clip;
mod nadam;
mod pass;
mod plateau;
mod scaling;
mod schedule;
mod sgd;
mod spec;
mod state;

use std::sync::Arc;

pub use adam::{Adam, Moments};
pub use nadam::NAdam;
pub use plateau::{Plateau, PlateauSpec};
pub use scaling::{Scaling, ScalingState};
pub use schedule::{Schedule, Warmup};
pub use sgd::Sgd;
pub use spec::{Method, OptimSpec, spec_from_attrs};
pub use state::OptimState;

use crate::{
    Error, Result,
    gpu::{PassTime, Variant, Word, time},
    graph::{Arenas, Weights},
};
use clip::Clip;
use pass::{Pass, Survey};
use scaling::Scaler;

/// An optimiser with its state, bound to the parameters and gradients of one session.
pub struct Optimizer {
    weights: Arc<Weights>,
    spec: OptimSpec,
    scaler: Option<Scaler>,
    clip: Option<Clip>,
    /// One an arena, with its size in vec4.
    updates: Vec<(Pass, usize)>,
    /// Names as in PyTorch, and buffers laid out like the parameters.
    moments: Vec<(&'static str, Arenas)>,
    step: u64,
    mu_product: f64,
}

impl Optimizer {
    /// Allocates the state, all zero, and binds it with the parameters and `gradients` (those of the
    /// session that computes them).
    ///
    /// # Errors
    /// [`Error::Config`] for settings that cannot work, [`Error::Check`] for gradients of other parameters,
    /// [`Error::OutOfMemory`] if the device has no room.
    pub fn new(weights: &Arc<Weights>, gradients: &Arenas, spec: OptimSpec) -> Result<Self> {
        spec.validate()?;
        let sizes = |arenas: &Arenas| arenas.buffers.iter().map(wgpu::Buffer::size).collect::<Vec<_>>();
        if sizes(gradients) != sizes(&weights.values) {
            return Err(Error::Check("the gradients are not of these parameters".into()));
        }
        let (context, values) = (&weights.context, &weights.values);
        let moments: Vec<_> = spec
            .method
            .moments()
            .iter()
            .map(|name| Ok((*name, weights.like_values(name)?)))
            .collect::<Result<_>>()?;
        let scaler =
            spec.scaling.map(|scaling| Scaler::new(context, gradients, &spec, &scaling)).transpose()?;
        let scale = scaler.as_ref().map(|s| &s.state);
        let clip = spec.clip_norm.map(|limit| Clip::new(context, gradients, limit, scale)).transpose()?;
        let variant = update(&spec);
        let factors = factors(&spec, 1, 0.0, 1.0);
        let mut updates = Vec::new();
        for (i, (value, gradient)) in values.buffers.iter().zip(&gradients.buffers).enumerate() {
            let mut buffers = vec![value, gradient];
            buffers.extend(moments.iter().map(|(_, arenas)| &arenas.buffers[i]));
            buffers.extend(clip.as_ref().map(|c| &c.outcome));
            buffers.extend(scale);
            let size = vec4s(value);
            let pass = Pass::new(context, &variant, &with_size(size, &factors), &buffers, size)?;
            updates.push((pass, size));
        }
        let weights = weights.clone();
        Ok(Self { weights, spec, scaler, clip, updates, moments, step: 0, mu_product: 1.0 })
    }

    /// The settings.
    pub fn spec(&self) -> &OptimSpec {
        &self.spec
    }

    /// Steps recorded, those that loss scaling skips too.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Records one step with learning rate `lr`: scaling, clipping, then the update.
    ///
    /// The step's factors are written to the device at once, so what is recorded must be submitted before
    /// the next call; one submission holds one step.
    pub fn step(&mut self, encoder: &mut wgpu::CommandEncoder, lr: f32) {
        self.advance(lr);
        let descriptor = wgpu::ComputePassDescriptor { label: Some("optimiser"), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        self.passes().for_each(|p| p.record(&mut pass));
    }

    /// Takes one step with learning rate `lr` and times each pass on the device.
    ///
    /// # Errors
    /// What the device raises.
    pub fn profile(&mut self, lr: f32) -> Result<Vec<PassTime>> {
        self.advance(lr);
        let steps: Vec<_> = self.passes().map(|pass| (std::slice::from_ref(pass.step()), "optim")).collect();
        let times = time(&self.weights.context, &steps, |_| ())?;
        Ok(times.into_iter().map(|ms| PassTime { label: "optim".into(), ms }).collect())
    }

    /// Counts a step and sets its factors.
    fn advance(&mut self, lr: f32) {
        self.step += 1;
        if let Method::NAdam(n) = self.spec.method {
            self.mu_product = n.product(self.step, self.mu_product);
        }
        let factors = factors(&self.spec, self.step, f64::from(lr), self.mu_product);
        let queue = &self.weights.context.queue;
        self.updates.iter().for_each(|(update, size)| update.set(queue, &with_size(*size, &factors)));
        if let (Some(scaler), Some(scaling)) = (&self.scaler, &self.spec.scaling) {
            scaler.set(queue, &self.spec, scaling, lr);
        }
    }

    /// All passes of a step, in order.
    fn passes(&self) -> impl Iterator<Item = &Pass> {
        let before =
            self.scaler.iter().flat_map(Scaler::passes).chain(self.clip.iter().flat_map(Clip::passes));
        before.chain(self.updates.iter().map(|(update, _)| update))
    }

    /// The buffer that holds, as its first f32, the scale that the next step's gradients must come multiplied
    /// by; none without loss scaling.
    pub fn scale_buffer(&self) -> Option<&wgpu::Buffer> {
        self.scaler.as_ref().map(|s| &s.state)
    }

    /// How loss scaling stands; none without. Waits for the device.
    ///
    /// # Errors
    /// As [`crate::gpu::Context::read`].
    pub fn scaling(&self) -> Result<Option<ScalingState>> {
        self.scaler.as_ref().map(|s| s.look(&self.weights.context)).transpose()
    }

    /// Norm of the gradients of the last step before clipping, without the scale of the loss; none where
    /// gradients are not clipped by norm, no number where the step was skipped. Waits for the device.
    ///
    /// # Errors
    /// As [`crate::gpu::Context::read`].
    pub fn grad_norm(&self) -> Result<Option<f32>> {
        let Some(buffer) = self.norm_buffer() else { return Ok(None) };
        let bytes = self.weights.context.read(buffer, 0, 4)?;
        Ok(Some(bytemuck::pod_read_unaligned(&bytes)))
    }

    /// The buffer that holds the norm as its first f32, for a log that is read without waiting.
    pub fn norm_buffer(&self) -> Option<&wgpu::Buffer> {
        self.clip.as_ref().map(|c| &c.outcome)
    }
}

/// The kernels that a step with these settings runs, each with the members of its uniform.
pub fn kernels(spec: &OptimSpec) -> Vec<(Variant, Vec<&'static str>)> {
    let names = |params: &[(&'static str, Word)]| params.iter().map(|p| p.0).collect::<Vec<_>>();
    let mut all = vec![(update(spec), names(&with_size(0, &factors(spec, 1, 0.0, 1.0))))];
    let mut survey = |file| {
        let (variant, params) = Survey::kernel(file, 0, 1, 0);
        all.push((variant, names(&params)));
    };
    spec.scaling.iter().for_each(|_| survey(scaling::FINITE));
    spec.clip_norm.iter().for_each(|_| survey(clip::SQUARES));
    if let Some(scaling) = &spec.scaling {
        let (variant, params) = scaling::advance(spec, scaling, 1, 0.0);
        all.push((variant, names(&params)));
    }
    if let Some(limit) = spec.clip_norm {
        let (variant, params) = clip::norm(1, limit, spec.scaling.is_some());
        all.push((variant, names(&params)));
    }
    all
}

/// The kernel of the update.
fn update(spec: &OptimSpec) -> Variant {
    let variant = match spec.method {
        Method::Sgd(s) => {
            Variant::new("optim/sgd").feature("momentum", s.momentum != 0.0).feature("nesterov", s.nesterov)
        }
        Method::Adam(a) => Variant::new("optim/adam").feature("amsgrad", a.amsgrad),
        Method::NAdam(_) => Variant::new("optim/adam"),
    };
    variant
        .feature("clip_norm", spec.clip_norm.is_some())
        .feature("clip_value", spec.clip_value.is_some())
        .feature("scaled", spec.scaling.is_some())
}

/// Members of the update's uniform after the size; `product` is that of [`NAdam::product`].
fn factors(spec: &OptimSpec, step: u64, lr: f64, product: f64) -> Vec<(&'static str, Word)> {
    let bound = spec.clip_value.unwrap_or(0.0);
    match &spec.method {
        Method::Sgd(s) => s.factors(step, lr, bound),
        Method::Adam(a) => a.factors(step, lr, bound),
        Method::NAdam(n) => n.factors(step, lr, product, bound),
    }
}

fn vec4s(buffer: &wgpu::Buffer) -> usize {
    (buffer.size() / 16) as usize
}

fn words<const N: usize>(members: [(&'static str, f64); N]) -> Vec<(&'static str, Word)> {
    members.into_iter().map(|(name, v)| (name, Word::F(v as f32))).collect()
}

fn with_size(size: usize, factors: &[(&'static str, Word)]) -> Vec<(&'static str, Word)> {
    std::iter::once(("size", size.into())).chain(factors.iter().copied()).collect()
}

//! Dynamic loss scaling, without a look from the host.

use super::{
    Method, OptimSpec,
    pass::{Pass, Survey},
};
use crate::{
    Result,
    gpu::{Context, Variant, Word},
    graph::Arenas,
};

/// Gradients come multiplied by a scale, so that small ones survive in half precision (Micikevicius et al.
/// 2018). A step whose gradients are not all finite is skipped, as if it had not been, and the scale halved;
/// it is doubled after a number of good steps in a row. Scales are powers of two, between 2^-24 and 2^32.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// The scale of the first step; a power of two.
    pub start: f32,
    /// Good steps in a row after which the scale is doubled.
    pub patience: u32,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { start: 65536.0, patience: 2000 }
    }
}

impl Scaling {
    /// The least scale.
    pub const LEAST: f32 = 1.0 / 16_777_216.0;
    /// The greatest scale.
    pub const MOST: f32 = 4_294_967_296.0;

    /// Whether training can begin with these.
    pub(super) fn is_sound(&self) -> bool {
        // Powers of two have no digits beside the exponent.
        let power = self.start.to_bits() & 0x7f_ffff == 0;
        power && (Self::LEAST..=Self::MOST).contains(&self.start) && self.patience > 0
    }
}

/// How the scaling stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScalingState {
    /// The scale of the next step.
    pub scale: f32,
    /// Steps skipped so far.
    pub skipped: u64,
}

/// The numbers of the state that are kept, in the order of the buffer, and where they lie in it.
const KEPT: [(&str, usize); 7] = [
    ("loss_scale", 0),
    ("good_steps", 1),
    ("skipped_steps", 3),
    ("taken_steps", 4),
    ("filled_first", 5),
    ("filled_second", 6),
    ("momentum_product", 7),
];

/// Numbers of the state on the device.
const SIZE: usize = 12;

/// The kernel that looks at an arena.
pub(super) const FINITE: &str = "optim/finite";

/// The passes that look for gradients that are not finite and move the scale.
pub(super) struct Scaler {
    survey: Survey,
    advance: Pass,
    /// As `shaders/optim/scale.wgsl` lays it out.
    pub(super) state: wgpu::Buffer,
}

/// The kernel that moves the scale, and its parameters.
pub(super) fn advance(
    spec: &OptimSpec,
    scaling: &Scaling,
    shares: usize,
    lr: f32,
) -> (Variant, Vec<(&'static str, Word)>) {
    let (betas, cooling, dampening) = match &spec.method {
        Method::Sgd(s) => ([0.0; 2], 0.0, s.dampening),
        Method::Adam(a) => (a.moments.betas, 0.0, 0.0),
        Method::NAdam(n) => (n.moments.betas, n.momentum_decay * 0.96f64.log2(), 0.0),
    };
    let mut params = vec![("shares", shares.into())];
    params.extend(super::words([
        ("patience", f64::from(scaling.patience)),
        ("least", f64::from(Scaling::LEAST)),
        ("most", f64::from(Scaling::MOST)),
        ("lr", f64::from(lr)),
        ("take1", 1.0 - betas[0]),
        ("take2", 1.0 - betas[1]),
        ("cooling", cooling),
        ("dampened", 1.0 - dampening),
    ]));
    let nadam = matches!(spec.method, Method::NAdam(_));
    (Variant::new("optim/scale").feature("nadam", nadam), params)
}

impl Scaler {
    pub(super) fn new(
        context: &Context,
        gradients: &Arenas,
        spec: &OptimSpec,
        scaling: &Scaling,
    ) -> Result<Self> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let state = context.buffer("loss scaling", 4 * SIZE as u64, usage)?;
        let mut numbers = [0.0f32; SIZE];
        // Products begin at one.
        (numbers[0], numbers[7]) = (scaling.start, 1.0);
        context.queue.write_buffer(&state, 0, bytemuck::cast_slice(&numbers));
        let survey = Survey::new(context, gradients, FINITE)?;
        let (variant, params) = advance(spec, scaling, survey.shares, 0.0);
        let advance = Pass::new(context, &variant, &params, &[&state, &survey.partial], 64)?;
        Ok(Self { survey, advance, state })
    }

    /// Sets the learning rate of the next submission.
    pub(super) fn set(&self, queue: &wgpu::Queue, spec: &OptimSpec, scaling: &Scaling, lr: f32) {
        self.advance.set(queue, &advance(spec, scaling, self.survey.shares, lr).1);
    }

    /// The passes in order.
    pub(super) fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.survey.passes.iter().chain([&self.advance])
    }

    fn read(&self, context: &Context) -> Result<Vec<f32>> {
        Ok(bytemuck::pod_collect_to_vec(&context.read(&self.state, 0, 4 * SIZE as u64)?))
    }

    /// How the scaling stands; waits for the device.
    pub(super) fn look(&self, context: &Context) -> Result<ScalingState> {
        let numbers = self.read(context)?;
        Ok(ScalingState { scale: numbers[0], skipped: numbers[3] as u64 })
    }

    /// What a checkpoint keeps, by name; waits for the device.
    pub(super) fn scalars(&self, context: &Context) -> Result<Vec<(String, f64)>> {
        let numbers = self.read(context)?;
        Ok(KEPT.iter().map(|(name, at)| ((*name).to_string(), f64::from(numbers[*at]))).collect())
    }

    /// Goes on from what [`Self::scalars`] gave, in its order.
    pub(super) fn restore(&self, context: &Context, scalars: &[f64]) {
        let mut numbers = [0.0f32; SIZE];
        for ((_, at), number) in KEPT.iter().zip(scalars) {
            numbers[*at] = *number as f32;
        }
        context.queue.write_buffer(&self.state, 0, bytemuck::cast_slice(&numbers));
    }
}

/// Names of the numbers that a checkpoint keeps.
pub(super) fn kept() -> impl Iterator<Item = &'static str> {
    KEPT.iter().map(|k| k.0)
}

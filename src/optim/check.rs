//! Comparison of the optimisers' kernels with their CPU twin; the tests and `gyre doctor` use the same.

use std::sync::Arc;

use super::{Adam, Method, Moments, NAdam, OptimSpec, Optimizer, Scaling, Sgd};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Init, Layout, Weights},
    ops::check::{Distance, Tolerance},
};

/// The methods in f64, one number at a time, as their papers and PyTorch write them.
#[derive(Debug, Default)]
pub struct Twin {
    t: i32,
    first: Vec<f64>,
    second: Vec<f64>,
    highest: Vec<f64>,
    product: f64,
    /// Good steps in a row, and how often the scale was doubled less how often it was halved.
    good: u32,
    doublings: i32,
}

impl Twin {
    /// What the gradients of the next step must come multiplied by.
    pub fn scale(&self, spec: &OptimSpec) -> f32 {
        spec.scaling.map_or(1.0, |s| s.start) * 2f32.powi(self.doublings)
    }

    /// Moves `p` and returns the norm of the gradients, without the scale they come with.
    pub fn step(&mut self, spec: &OptimSpec, lr: f64, p: &mut [f64], gradients: &[f32]) -> f64 {
        let unscale = 1.0 / f64::from(self.scale(spec));
        if let Some(scaling) = spec.scaling {
            if gradients.iter().any(|g| !g.is_finite()) {
                (self.good, self.doublings) = (0, self.doublings - 1);
                return f64::NAN;
            }
            self.good += 1;
            if self.good == scaling.patience {
                (self.good, self.doublings) = (0, self.doublings + 1);
            }
        }
        if self.t == 0 {
            for m in [&mut self.first, &mut self.second, &mut self.highest] {
                m.resize(p.len(), 0.0);
            }
            self.product = 1.0;
        }
        self.t += 1;
        let mu = |n: &NAdam, t: i32| {
            n.moments.betas[0] * (1.0 - 0.5 * 0.96f64.powf(f64::from(t) * n.momentum_decay))
        };
        if let Method::NAdam(n) = &spec.method {
            self.product *= mu(n, self.t);
        }
        let norm = unscale * gradients.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        let scale = unscale * spec.clip_norm.map_or(1.0, |c| (c / (norm + 1e-6)).min(1.0));
        for (i, (p, g)) in p.iter_mut().zip(gradients).enumerate() {
            let mut g = f64::from(*g) * scale;
            if let Some(c) = spec.clip_value {
                g = g.clamp(-c, c);
            }
            match &spec.method {
                Method::Sgd(s) => {
                    g += s.weight_decay * *p;
                    let take = if self.t == 1 { 1.0 } else { 1.0 - s.dampening };
                    self.first[i] = s.momentum * self.first[i] + take * g;
                    *p -= lr * if s.nesterov { g + s.momentum * self.first[i] } else { self.first[i] };
                }
                Method::Adam(a) => {
                    let second = self.moments(&a.moments, i, lr, p, &mut g, a.amsgrad);
                    let mean = self.first[i] / (1.0 - a.moments.betas[0].powi(self.t));
                    *p -= lr * mean / (second.sqrt() + a.moments.eps);
                }
                Method::NAdam(n) => {
                    let second = self.moments(&n.moments, i, lr, p, &mut g, false);
                    let (now, next) = (mu(n, self.t), mu(n, self.t + 1));
                    let ahead = next * self.first[i] / (1.0 - self.product * next);
                    let change = ahead + (1.0 - now) * g / (1.0 - self.product);
                    *p -= lr * change / (second.sqrt() + n.moments.eps);
                }
            }
        }
        norm
    }

    /// Decay and moments; returns the second one without bias.
    fn moments(&mut self, m: &Moments, i: usize, lr: f64, p: &mut f64, g: &mut f64, amsgrad: bool) -> f64 {
        if m.decoupled {
            *p *= 1.0 - lr * m.weight_decay;
        } else {
            *g += m.weight_decay * *p;
        }
        let [beta1, beta2] = m.betas;
        self.first[i] = beta1 * self.first[i] + (1.0 - beta1) * *g;
        self.second[i] = beta2 * self.second[i] + (1.0 - beta2) * *g * *g;
        self.highest[i] = self.highest[i].max(self.second[i]);
        let second = if amsgrad { self.highest[i] } else { self.second[i] };
        second / (1.0 - beta2.powi(self.t))
    }
}

/// Settings that together run every form of every kernel.
pub fn samples() -> Vec<OptimSpec> {
    let decay = |decoupled| Moments { weight_decay: 0.1, decoupled, ..Default::default() };
    let fast = Moments { betas: [0.5, 0.7], eps: 1e-4, ..decay(false) };
    let momentum = Sgd { momentum: 0.9, ..Default::default() };
    let mut all: Vec<OptimSpec> = [
        Method::Sgd(Sgd { weight_decay: 0.1, ..Default::default() }),
        Method::Sgd(Sgd { dampening: 0.3, ..momentum }),
        Method::Sgd(Sgd { nesterov: true, weight_decay: 0.01, ..momentum }),
        Method::Adam(Adam::default()),
        Method::Adam(Adam { moments: fast, amsgrad: true }),
        Method::Adam(Adam { moments: decay(true), amsgrad: true }),
        Method::NAdam(NAdam { moments: decay(false), momentum_decay: 0.02 }),
        Method::NAdam(NAdam { moments: decay(true), ..Default::default() }),
    ]
    .map(OptimSpec::from)
    .into();
    let clipped: Vec<_> = all.iter().skip(1).step_by(2).copied().collect();
    all.extend(clipped.iter().map(|s| OptimSpec { clip_norm: Some(2.0), ..*s }));
    all.extend(clipped.iter().map(|s| OptimSpec { clip_norm: Some(1e9), clip_value: Some(0.2), ..*s }));
    let scaling = Some(Scaling { start: 1024.0, patience: 2 });
    let scaled: Vec<_> = all.iter().map(|s| OptimSpec { scaling, ..*s }).collect();
    all.extend(scaled);
    all
}

/// Takes a few steps on made-up gradients, some of them not finite where they are scaled, and compares the
/// parameters and the scale with those of the twin.
///
/// # Errors
/// [`Error::Check`] if they are too far; whatever the device raises.
pub fn check(context: &Arc<Context>, spec: OptimSpec) -> Result<Distance> {
    let count = 517;
    let mut graph = Graph::new();
    graph.param("p", Layout::Vector(count), Init::Uniform(1.0));
    let weights = Arc::new(Weights::new(context, &graph, 11)?);
    let gradients = weights.like_values("gradients")?;
    let mut optimizer = Optimizer::new(&weights, &gradients, spec)?;
    let parameters = || -> Result<Vec<f64>> {
        Ok(weights.export()?.into_iter().flat_map(|p| p.2).map(f64::from).collect())
    };
    let mut twin = Twin::default();
    let mut want = parameters()?;
    for t in 0..8 {
        let scale = twin.scale(&spec);
        let drawn = |i: usize| scale * (((i * 37 + t * 101) % 199) as f32 / 99.0 - 1.0);
        let mut drawn: Vec<f32> = (0..count).map(drawn).collect();
        if spec.scaling.is_some() && (3..5).contains(&t) {
            drawn[100 * t] = if t == 3 { f32::NEG_INFINITY } else { f32::NAN };
        }
        weights.write_like(&gradients, "p", &drawn)?;
        let lr = 0.01 / (t as f32 + 1.0);
        twin.step(&spec, f64::from(lr), &mut want, &drawn);
        let mut encoder = context.device.create_command_encoder(&Default::default());
        optimizer.step(&mut encoder, lr);
        context.queue.submit([encoder.finish()]);
    }
    let scale = optimizer.scaling()?.map_or(1.0, |s| s.scale);
    if scale != twin.scale(&spec) {
        return Err(Error::Check(format!("{spec:?}: the scale is {scale}, should be {}", twin.scale(&spec))));
    }
    let distance = Distance::between(&parameters()?, &want, Tolerance { rtol: 1e-5, atol: 2e-6 });
    context.check()?;
    if distance.ratio > 1.0 {
        return Err(Error::Check(format!("{spec:?}: {distance:?}")));
    }
    Ok(distance)
}

//! Batch norm by batch or running statistics, with the activation and a sum in the same pass.

use std::sync::Arc;

use super::{Act, Activation, BatchNormApply, Binary, batch_norm_grad::BatchNormGrad, reduce::shares};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, FuseShapes, Lowering, Node, Operator, Shape, Var},
};

/// Where a second tensor is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// Nowhere.
    None,
    /// Before the activation.
    Before,
    /// After the activation.
    After,
}

/// `y = act(gamma * (x - mean) / sqrt(var + eps) + beta)`, with a second tensor added before or after the
/// activation.
///
/// Inputs: x, gamma, beta, running mean, running variance (each `[C]`), and where `join` says so a tensor
/// shaped like x. Outputs: y, and mean and 1 / deviation as used, `[2, C]`. In training the batch's own
/// statistics normalise (biased variance) and the running ones move towards them (unbiased variance) by
/// `momentum`.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// Normalise by the batch's statistics and update the running ones.
    pub train: bool,
    /// Added to the variance.
    pub eps: f32,
    /// Share of the batch in the new running statistics.
    pub momentum: f32,
    /// Applied to the normalised value.
    pub act: Act,
    /// Where input 5 is added.
    pub join: Join,
}

impl BatchNorm {
    /// Without activation or sum.
    pub const fn new(train: bool, eps: f32, momentum: f32) -> Self {
        Self { train, eps, momentum, act: Act::Identity, join: Join::None }
    }

    /// Adds a pass that turns the statistics of inputs `first..first + 4` into scale and shift, `[2, C]`.
    pub(super) fn fold(l: &mut Lowering<'_>, first: usize, eps: f32) -> Var {
        let c = l.input_shape(first).c;
        let norm = l.scratch("scale and shift", Shape::new(1, 1, 2, c));
        let mut buffers = vec![Access::Write(norm)];
        buffers.extend((first..first + 4).map(|i| Access::Read(l.input(i))));
        let c4 = Shape::channels(c).c4();
        l.dispatch(
            Variant::new("batch_norm/fold"),
            vec![("c4", c4.into()), ("eps", eps.into())],
            buffers,
            c4,
        );
        norm
    }

    /// Normalises by fixed statistics: gamma, beta, mean, variance.
    pub(super) fn twin_fixed(x: &Array, statistics: &[Array], eps: f64) -> Array {
        let [gamma, beta, mean, var] = [0, 1, 2, 3].map(|i| &statistics[i].data);
        Array::from_fn(x.shape, |n, h, w, c| {
            (x.at(n, h, w, c) - mean[c]) / (var[c] + eps).sqrt() * gamma[c] + beta[c]
        })
    }

    /// Adds the second tensor and applies the activation.
    pub(super) fn twin_joined(mut y: Array, act: Act, join: Join, other: Option<&Array>) -> Array {
        for (i, v) in y.data.iter_mut().enumerate() {
            let joined = other.map_or(0.0, |r| r.data[i]);
            *v = match join {
                Join::None => act.value(*v),
                Join::Before => act.value(*v + joined),
                Join::After => act.value(*v) + joined,
            };
        }
        y
    }

    /// Passes that leave mean and 1 / deviation in output 1.
    fn lower_statistics(&self, l: &mut Lowering<'_>) {
        let x = l.input_shape(0);
        let c4 = x.c4();
        let (running_mean, running_var, statistics) = (l.input(3), l.input(4), l.output(1));
        if !self.train {
            let buffers =
                vec![Access::Write(statistics), Access::Read(running_mean), Access::Read(running_var)];
            l.dispatch(
                Variant::new("batch_norm/fixed"),
                vec![("c4", c4.into()), ("channels", x.c.into()), ("eps", self.eps.into())],
                buffers,
                c4,
            );
            return;
        }
        let shares = shares(x.pixels(), c4);
        let partial = l.scratch("partial", Shape::new(1, shares, 2, x.c));
        let params = vec![("pixels", x.pixels().into()), ("c4", c4.into()), ("shares", shares.into())];
        let buffers = vec![Access::Write(partial), Access::Read(l.input(0))];
        l.dispatch(Variant::new("batch_norm/moments"), params, buffers, shares * c4);
        let params = vec![
            ("pixels", x.pixels().into()),
            ("c4", c4.into()),
            ("channels", x.c.into()),
            ("shares", shares.into()),
            ("eps", self.eps.into()),
            ("momentum", self.momentum.into()),
        ];
        let buffers = vec![
            Access::Write(statistics),
            Access::Read(partial),
            Access::Write(running_mean),
            Access::Write(running_var),
        ];
        l.dispatch(Variant::new("batch_norm/merge"), params, buffers, c4);
    }
}

impl Operator for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let x = inputs[0];
        let joined = self.join == Join::None || inputs.get(5) == Some(&x);
        if inputs[1..5].iter().any(|s| *s != Shape::channels(x.c)) || !joined {
            return Err(Error::shape("batch_norm", format!("{:?} do not fit {x}", &inputs[1..])));
        }
        if self.train && x.pixels() < 2 {
            let message = format!("{x} has one value a channel, which has no variance to train on");
            return Err(Error::shape("batch_norm", message));
        }
        Ok(vec![x, Shape::new(1, 1, 2, x.c)])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let once = Cost::elementwise(if self.train { 8 } else { 4 }, inputs, outputs);
        Cost { bytes: once.bytes + if self.train { inputs[0].bytes() } else { 0 }, ..once }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        if self.join == Join::After && b.wants(5) {
            b.give(5, dy);
        }
        let (Some(d_gamma), Some(d_beta)) = (b.accumulator(1), b.accumulator(2)) else {
            return Err(Error::shape("batch_norm", "gamma and beta must be parameters to have a gradient"));
        };
        let mut inputs = vec![dy, b.input(0), b.output(1), b.input(1), b.input(2), d_gamma, d_beta];
        let before = self.join == Join::Before;
        if before {
            inputs.push(b.input(5));
        }
        let op = BatchNormGrad { train: self.train, act: self.act, joined: before };
        let grads = b.graph.apply_all(op, &inputs)?;
        if b.wants(0) {
            b.give(0, grads[0]);
        }
        if before && b.wants(5) {
            b.give(5, grads[1]);
        }
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        self.lower_statistics(l);
        let x = l.input_shape(0);
        let mut inputs = vec![l.input(0), l.output(1), l.input(1), l.input(2)];
        inputs.extend((self.join != Join::None).then(|| l.input(5)));
        BatchNormApply { act: self.act, join: self.join }.dispatch(l, x, l.output(0), &inputs);
        Ok(())
    }

    fn again(&self, node: &Node) -> Option<(Arc<dyn Operator>, Vec<Var>)> {
        let mut inputs = vec![node.inputs[0], node.outputs[1], node.inputs[1], node.inputs[2]];
        inputs.extend((self.join != Join::None).then(|| node.inputs[5]));
        Some((Arc::new(BatchNormApply { act: self.act, join: self.join }), inputs))
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        vec![1]
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let (mean, var) =
            if self.train { moments(x) } else { (inputs[3].data.clone(), inputs[4].data.clone()) };
        let channels = |data: &[f64]| Array { shape: Shape::channels(x.shape.c), data: data.to_vec() };
        let fixed = [inputs[1].clone(), inputs[2].clone(), channels(&mean), channels(&var)];
        let plain = Self::twin_fixed(x, &fixed, f64::from(self.eps));
        let y = Self::twin_joined(plain, self.act, self.join, inputs.get(5));
        let rstd: Vec<f64> = var.iter().map(|v| 1.0 / (v + f64::from(self.eps)).sqrt()).collect();
        let statistics = Array { shape: Shape::new(1, 1, 2, x.shape.c), data: [mean.clone(), rstd].concat() };
        let mut all = vec![y, statistics];
        if self.train {
            let count = x.shape.pixels() as f64;
            let m = f64::from(self.momentum);
            let moved = |old: &Array, new: &[f64], factor: f64| Array {
                data: old.data.iter().zip(new).map(|(o, n)| o * (1.0 - m) + n * factor * m).collect(),
                ..old.clone()
            };
            all.push(moved(&inputs[3], &mean, 1.0));
            all.push(moved(&inputs[4], &var, count / (count - 1.0)));
        }
        all
    }

    fn updates(&self) -> Vec<usize> {
        if self.train { vec![3, 4] } else { Vec::new() }
    }

    fn fuse(&self, next: &dyn Operator, _slot: usize, shapes: &FuseShapes<'_>) -> Option<Arc<dyn Operator>> {
        if let Some(activation) = next.is::<Activation>() {
            let fits = self.act == Act::Identity && self.join != Join::After && activation.is_forward();
            return fits.then(|| Arc::new(Self { act: activation.act, ..self.clone() }) as _);
        }
        let add = next.is::<Binary>()?;
        let fits = self.join == Join::None && add.is_sum(shapes.second);
        let join = if self.act == Act::Identity { Join::Before } else { Join::After };
        fits.then(|| Arc::new(Self { join, ..self.clone() }) as _)
    }
}

/// Mean and biased variance of each channel.
fn moments(x: &Array) -> (Vec<f64>, Vec<f64>) {
    let (c, count) = (x.shape.c, x.shape.pixels() as f64);
    let mut mean = vec![0.0; c];
    x.data.iter().enumerate().for_each(|(i, v)| mean[i % c] += v / count);
    let mut var = vec![0.0; c];
    x.data.iter().enumerate().for_each(|(i, v)| var[i % c] += (v - mean[i % c]).powi(2) / count);
    (mean, var)
}

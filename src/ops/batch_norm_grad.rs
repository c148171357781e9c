//! Gradient of batch norm, with that of the activation that follows in the same passes.

use super::{Act, batch_norm_apply::RUN, reduce::shares};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Inputs: dy, x, statistics `[2, C]` (mean and 1 / deviation), gamma, beta, the accumulators of the gradients
/// of gamma and beta (changed in place), and where `joined` the tensor added before the activation. Outputs:
/// dx, and where `joined` the gradient of that tensor.
#[derive(Clone, Debug)]
pub struct BatchNormGrad {
    /// The statistics are the batch's own, and so depend on x.
    pub train: bool,
    /// The activation after the norm.
    pub act: Act,
    /// A tensor was added before the activation.
    pub joined: bool,
}

impl BatchNormGrad {
    fn variant(&self, file: &'static str) -> Variant {
        Variant::new(file).feature("joined", self.joined).feature(self.act.name(), self.act != Act::Identity)
    }
}

impl Operator for BatchNormGrad {
    fn name(&self) -> &'static str {
        "batch_norm_grad"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let x = inputs[1];
        if inputs[0] != x || inputs[2] != Shape::new(1, 1, 2, x.c) || (self.joined && inputs[7] != x) {
            return Err(Error::shape("batch_norm_grad", format!("{inputs:?} do not fit together")));
        }
        Ok(vec![x; 1 + usize::from(self.joined)])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let once = Cost::elementwise(12, inputs, outputs);
        Cost { bytes: once.bytes + 2 * inputs[0].bytes(), ..once }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape(self.name(), "second derivatives are not built"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(1);
        let c4 = x.c4();
        let shares = shares(x.pixels(), c4);
        let partial = l.scratch("partial", Shape::new(1, shares, 2, x.c));
        let read = |l: &Lowering<'_>, slots: &[usize]| {
            slots.iter().map(|i| Access::Read(l.input(*i))).collect::<Vec<_>>()
        };
        let joined: &[usize] = if self.joined { &[7] } else { &[] };
        let params = vec![
            ("pixels", x.pixels().into()),
            ("c4", c4.into()),
            ("shares", shares.into()),
            ("slope", self.act.slope().into()),
        ];
        let buffers = [vec![Access::Write(partial)], read(l, &[0, 1, 2, 3, 4]), read(l, joined)].concat();
        l.dispatch(self.variant("batch_norm_grad/sums"), params, buffers, shares * c4);

        // Rows: mean, 1 / deviation, gamma, beta, mean of g, mean of g * normalised x.
        let coefficients = l.scratch("coefficients", Shape::new(1, 1, 6, x.c));
        let weight = if self.train { 1.0 / x.pixels() as f32 } else { 0.0 };
        let params = vec![("c4", c4.into()), ("shares", shares.into()), ("weight", weight.into())];
        let writes = vec![Access::Write(coefficients), Access::Write(l.input(5)), Access::Write(l.input(6))];
        let buffers = [writes, vec![Access::Read(partial)], read(l, &[2, 3, 4])].concat();
        l.dispatch(Variant::new("batch_norm_grad/merge"), params, buffers, c4);

        let params =
            vec![("pixels", x.pixels().into()), ("c4", c4.into()), ("slope", self.act.slope().into())];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend(read(l, &[0, 1]));
        buffers.push(Access::Read(coefficients));
        if self.joined {
            buffers.extend([Access::Read(l.input(7)), Access::Write(l.output(1))]);
        }
        let variant = self.variant("batch_norm_grad/apply").constant("RUN", RUN as u32);
        l.dispatch(variant, params, buffers, x.pixels().div_ceil(RUN) * c4);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (dy, x, gamma, beta) = (&inputs[0], &inputs[1], &inputs[3].data, &inputs[4].data);
        let c = x.shape.c;
        let (mean, rstd) = inputs[2].data.split_at(c);
        let normal = Array::from_fn(x.shape, |n, h, w, k| (x.at(n, h, w, k) - mean[k]) * rstd[k]);
        let mut g = dy.clone();
        for (i, v) in g.data.iter_mut().enumerate() {
            let joined = if self.joined { inputs[7].data[i] } else { 0.0 };
            *v *= self.act.derivative(normal.data[i] * gamma[i % c] + beta[i % c] + joined);
        }
        let (mut d_gamma, mut d_beta) = (vec![0.0; c], vec![0.0; c]);
        for (i, v) in g.data.iter().enumerate() {
            d_beta[i % c] += v;
            d_gamma[i % c] += v * normal.data[i];
        }
        let weight = if self.train { 1.0 / x.shape.pixels() as f64 } else { 0.0 };
        let mut dx = g.clone();
        for (i, v) in dx.data.iter_mut().enumerate() {
            let k = i % c;
            *v = gamma[k] * rstd[k] * (*v - weight * (d_beta[k] + normal.data[i] * d_gamma[k]));
        }
        let added = |old: &Array, new: &[f64]| Array {
            data: old.data.iter().zip(new).map(|(a, b)| a + b).collect(),
            ..old.clone()
        };
        let mut all = vec![dx];
        all.extend(self.joined.then_some(g));
        all.extend([added(&inputs[5], &d_gamma), added(&inputs[6], &d_beta)]);
        all
    }

    fn updates(&self) -> Vec<usize> {
        vec![5, 6]
    }
}

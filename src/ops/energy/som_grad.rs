//! Gradient of one step of the self-organising map.

use super::{Response, Rule, Som, around, pixel};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Gradient of a step of [`Som`] by the beliefs and, where `edges`, by the mask. Inputs: beliefs v, mask phi, dy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SomGrad {
    /// As in [`Som`].
    pub rule: Rule,
    /// As in [`Som`].
    pub rate: f32,
    /// As in [`Som`].
    pub anchor: f32,
    /// Tells the gradient by the mask, too.
    pub edges: bool,
}

impl SomGrad {
    fn som(&self) -> Som {
        Som { anchor: self.anchor, ..Som::new(self.rule, self.rate, 1) }
    }
}

impl Operator for SomGrad {
    fn name(&self) -> &'static str {
        "energy/som_grad"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [v, phi, dy] if *phi == v.with_c(4) && dy == v => {
                let mut made = vec![*v];
                made.extend(self.edges.then_some(*phi));
                Ok(made)
            }
            _ => Err(Error::shape("som_grad", format!("shapes do not fit: {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(if self.som().responds() { 30 } else { 14 }, inputs, outputs)
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![1]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        if self.edges { vec![1] } else { Vec::new() }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("som_grad", "second derivatives are not built"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (v, som) = (l.input_shape(0), self.som());
        let weights = l.scratch("weights", v.with_c(4));
        let mut buffers = vec![Access::Write(weights)];
        buffers.extend((0..3).map(|i| Access::Read(l.input(i))));
        let mut pulls = Vec::new();
        if som.responds() {
            buffers.push(Access::Read(Response::of(l, l.input(0), v)));
            pulls = vec![l.scratch("pulls", v.with_c(4)), l.scratch("own pull", v.with_c(1))];
            buffers.extend(pulls.iter().map(|var| Access::Write(*var)));
        }
        buffers.extend(self.edges.then(|| Access::Write(l.output(1))));
        let place = [("h", v.h.into()), ("w", v.w.into()), ("c4", v.c4().into())];
        let mut params = vec![("pixels", v.pixels().into())];
        params.extend(place);
        params.extend([("rate", self.rate.into()), ("own", som.own().into())]);
        let variant = Variant::new("energy/som_grad/pulls")
            .feature("response", som.responds())
            .feature("literal", som.literal())
            .feature("by_edges", self.edges);
        l.dispatch(variant, params, buffers, v.pixels());

        let mut params = vec![("size", v.vec4s().into())];
        params.extend(place);
        params.extend([("channels", v.c.into()), ("anchor", self.anchor.into())]);
        let mut buffers = vec![Access::Write(l.output(0)), Access::Read(l.input(2)), Access::Read(weights)];
        if som.responds() {
            buffers.push(Access::Read(l.input(0)));
            buffers.extend(pulls.into_iter().map(Access::Read));
        }
        let variant = Variant::new("energy/som_grad/apply").feature("response", som.responds());
        l.dispatch(variant, params, buffers, v.vec4s());
        Ok(())
    }

    /// Written from the derivative of each weight, while the kernels gather what the weights of all pixels have in common.
    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (v, phi, dy) = (&inputs[0], &inputs[1], &inputs[2]);
        let (som, s) = (self.som(), v.shape);
        let (mut dv, mut slopes) = (dy.map(|d| d * (1.0 - f64::from(self.anchor))), Array::zeros(phi.shape));
        let rate = f64::from(self.rate);
        Array::from_fn(s.with_c(1), |n, h, w, _| {
            let near: Vec<_> = around(s, h, w).collect();
            let weights = som.twin_weights(v, phi, n, h, w);
            let own = pixel(v, n, h, w);
            let gain = |y, x| -> f64 {
                let d = pixel(dy, n, h, w);
                pixel(v, n, y, x).iter().zip(own).zip(d).map(|((v, own), d)| d * (v - own)).sum()
            };
            for &(d, y, x) in &near {
                for c in 0..s.c {
                    let pull = weights[d] * dy.at(n, h, w, c);
                    *dv.at_mut(n, y, x, c) += pull;
                    *dv.at_mut(n, h, w, c) -= pull;
                }
            }
            let mean: f64 = near.iter().map(|(d, y, x)| weights[*d] * gain(*y, *x)).sum::<f64>() / rate;
            if let Rule::Equilibrium { .. } = self.rule {
                let heard: f64 = near.iter().map(|p| phi.at(n, h, w, p.0)).sum();
                for &(d, y, x) in near.iter().filter(|_| heard > 0.0) {
                    *slopes.at_mut(n, h, w, d) = rate / (heard + f64::from(som.own())) * (gain(y, x) - mean);
                }
                return 0.0;
            }
            let spent: f64 = weights.iter().sum::<f64>() / rate;
            let mut by_response = vec![(h, w, -rate * (1.0 - spent) * mean)];
            for &(d, y, x) in &near {
                let edge = phi.at(n, h, w, d);
                let by_exponent = weights[d] * (gain(y, x) - mean);
                let response = Response::value(pixel(v, n, y, x));
                if som.literal() {
                    by_response.push((y, x, edge * by_exponent));
                    *slopes.at_mut(n, h, w, d) = response * by_exponent;
                } else {
                    by_response.push((y, x, by_exponent));
                    *slopes.at_mut(n, h, w, d) = if edge > 0.0 { by_exponent / edge } else { 0.0 };
                }
            }
            for (y, x, pull) in by_response {
                let sum: f64 = pixel(v, n, y, x).iter().sum();
                for c in 0..s.c {
                    *dv.at_mut(n, y, x, c) += 2.0 * pull * (s.c as f64 * v.at(n, y, x, c) - sum);
                }
            }
            0.0
        });
        if self.edges { vec![dv, slopes] } else { vec![dv] }
    }
}

//! Energies of a belief map (section 3.1).

use super::{around, pixel};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Which energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SomEnergyKind {
    /// Eq 7: a fifth of half the squared distances over the ordered pairs of a pixel and its existing neighbours.
    Pairs,
    /// What eq 9 descends: at each pixel half of `phi |v_i - v_j|^2 / 2` of its edges, so that pixels sum up to each edge once.
    Edges,
}

/// Energy by pixel `[N, H, W, 1]`, to be summed up. Inputs: beliefs v `[N, H, W, L]` and for [`SomEnergyKind::Edges`] the
/// mask phi `[N, H, W, 4]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SomEnergy {
    /// Which energy.
    pub kind: SomEnergyKind,
    backward: bool,
}

impl SomEnergy {
    /// Inputs v and perhaps phi.
    pub const fn new(kind: SomEnergyKind) -> Self {
        Self { kind, backward: false }
    }
}

impl Operator for SomEnergy {
    fn name(&self) -> &'static str {
        "energy/som_energy"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match (self.kind, self.backward, inputs) {
            (SomEnergyKind::Pairs, false, [v]) => Ok(vec![v.with_c(1)]),
            (SomEnergyKind::Pairs, true, [v, dy]) if *dy == v.with_c(1) => Ok(vec![*v]),
            (SomEnergyKind::Edges, false, [v, phi]) if *phi == v.with_c(4) => Ok(vec![v.with_c(1)]),
            _ => Err(Error::shape("som_energy", format!("shapes do not fit {self:?}: {inputs:?}"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(if self.backward { 50 } else { 20 }, inputs, outputs)
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        if self.backward { Vec::new() } else { vec![0] }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false, SomEnergyKind::Pairs) = (b.dy(), self.backward, self.kind) else {
            return Err(Error::shape(
                "som_energy",
                "only the energy of pairs has a gradient, and no second one",
            ));
        };
        let dv = b.graph.apply(Self { backward: true, ..*self }, &[b.input(0), dy])?;
        b.give(0, dv);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let v = l.input_shape(0);
        let size = if self.backward { v.vec4s() } else { v.pixels() };
        let params = vec![("size", size.into()), ("h", v.h.into()), ("w", v.w.into()), ("c4", v.c4().into())];
        let variant = Variant::new("energy/som_energy")
            .feature("edges", self.kind == SomEnergyKind::Edges)
            .feature("backward", self.backward);
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, size);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let v = &inputs[0];
        let group = |h, w| {
            let near = around(v.shape, h, w).map(|(_, y, x)| (y, x));
            std::iter::once((h, w)).chain(near).collect::<Vec<_>>()
        };
        let apart = |n, a: (usize, usize), b: (usize, usize)| -> f64 {
            pixel(v, n, a.0, a.1).iter().zip(pixel(v, n, b.0, b.1)).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let energy = |n, h, w, _| match self.kind {
            SomEnergyKind::Edges => around(v.shape, h, w)
                .map(|(d, y, x)| 0.25 * inputs[1].at(n, h, w, d) * apart(n, (h, w), (y, x)))
                .sum(),
            SomEnergyKind::Pairs => {
                let group = group(h, w);
                group.iter().flat_map(|a| group.iter().map(|b| 0.1 * apart(n, *a, *b))).sum()
            }
        };
        if !self.backward {
            return vec![Array::from_fn(v.shape.with_c(1), energy)];
        }
        let mut dv = Array::zeros(v.shape);
        Array::from_fn(v.shape.with_c(1), |n, h, w, _| {
            let group = group(h, w);
            for &(y, x) in &group {
                for &(b, a) in &group {
                    for c in 0..v.shape.c {
                        let pull = 0.4 * inputs[1].at(n, h, w, 0) * (v.at(n, y, x, c) - v.at(n, b, a, c));
                        *dv.at_mut(n, y, x, c) += pull;
                    }
                }
            }
            0.0
        });
        vec![dv]
    }
}

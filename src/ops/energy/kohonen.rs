//! The classic self-organising map.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
    ops::Broadcast,
};

/// One pass of a self-organising map over samples in their order (Kohonen; equations 4 to 6 of the energy recurrency
/// paper). Inputs: the map `[1, M1, M2, L]`, units in rows, and the samples `[1, 1, K, L]`. Outputs: the map after the
/// pass, and the energy `[1, 1, 1, 1]` of the map that was given.
///
/// Of each sample x the unit v* at the least squared distance, of equal ones the first in order of rows, becomes
/// `v* + rate (x - v*)`, and so do the units above, below, left and right of it that there are; the next sample finds
/// the map as this one left it. The energy is `1/K sum over samples y of 1/5 sum over u of |u - y|^2`, u being the
/// nearest unit to y and its neighbours: five of them but at the border, where those that are missing add nothing.
/// The paper divides by the units of the map in place of K.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kohonen {
    /// How far units move towards a sample, 0 to 1.
    pub rate: f32,
}

/// Rounds that the loops of an invocation may make together: drivers in software end them all at 65535.
const ROUNDS: usize = 32_768;

impl Kohonen {
    /// Samples at most of one pass.
    pub const MOST_SAMPLES: usize = 1 << 20;

    /// Samples that one dispatch can serve: 0 if the map is too large.
    pub const fn samples_a_dispatch(map: Shape) -> usize {
        let scan = (map.h * map.w).div_ceil(64) * (1 + map.c4());
        // The sample itself, the nearest unit's tree and the move.
        ROUNDS / (scan + 8 + (5 * map.c4()).div_ceil(64))
    }

    /// The nearest unit to a sample: number of its first element.
    fn nearest(map: &Array, sample: &[f64]) -> usize {
        let distance = |unit: &[f64]| unit.iter().zip(sample).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let units = map.data.chunks_exact(sample.len()).map(distance).enumerate();
        units.reduce(|best, next| if next.1 < best.1 { next } else { best }).map_or(0, |best| best.0)
    }

    /// A unit and those beside it.
    fn around(map: Shape, unit: usize) -> Vec<usize> {
        let (row, column) = (unit / map.w, unit % map.w);
        let mut all = vec![unit];
        all.extend((row > 0).then(|| unit - map.w));
        all.extend((row + 1 < map.h).then_some(unit + map.w));
        all.extend((column > 0).then(|| unit - 1));
        all.extend((column + 1 < map.w).then_some(unit + 1));
        all
    }
}

impl Operator for Kohonen {
    fn name(&self) -> &'static str {
        "energy/kohonen"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let fail = |message: String| Err(Error::shape("kohonen", message));
        if !(0.0..=1.0).contains(&self.rate) {
            return fail(format!("the rate must lie between 0 and 1, not {}", self.rate));
        }
        let [map, samples] = inputs else {
            return fail(format!("wants a map and samples, got {inputs:?}"));
        };
        let fits = map.n == 1 && map.count() > 0 && *samples == Shape::new(1, 1, samples.w, map.c);
        if !fits || !(1..=Self::MOST_SAMPLES).contains(&samples.w) {
            return fail(format!(
                "wants a map (1, M1, M2, L) and samples (1, 1, K, L), K from 1 to {}, got {map} and {samples}",
                Self::MOST_SAMPLES
            ));
        }
        if Self::samples_a_dispatch(*map) == 0 {
            return fail(format!(
                "the map {map} is too large for one workgroup; use fewer units or channels"
            ));
        }
        Ok(vec![*map, Shape::SCALAR])
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![0, 1]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        // Small moves add up over a pass.
        vec![0, 1]
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        // The nearest unit is looked for twice.
        let flops = 6 * (inputs[0].count() * inputs[1].w) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("kohonen", "a map learns by itself and has no gradient"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (map, count) = (l.input_shape(0), l.input_shape(1).w);
        let (given, samples, learnt) = (l.input(0), l.input(1), l.output(0));
        let size = || vec![("rows", map.h.into()), ("columns", map.w.into()), ("c4", map.c4().into())];
        let partial = l.scratch("partial", Shape::new(1, 1, count, 1));
        let mut params = size();
        params.push(("count", count.into()));
        let buffers = vec![Access::Write(partial), Access::Read(given), Access::Read(samples)];
        l.dispatch(Variant::new("energy/kohonen/energy"), params, buffers, 64 * count);
        let params = vec![("count", count.into()), ("scale", (0.2 / count as f32).into())];
        let buffers = vec![Access::Write(l.output(1)), Access::Read(partial)];
        l.dispatch(Variant::new("energy/kohonen/fold"), params, buffers, 64);
        Broadcast { to: map, scale: 1.0 }.dispatch(l, given, map, learnt);
        let step = Self::samples_a_dispatch(map).max(1);
        for first in (0..count).step_by(step) {
            let mut params = size();
            params.extend([
                ("first", first.into()),
                ("count", step.min(count - first).into()),
                ("rate", self.rate.into()),
            ]);
            let buffers = vec![Access::Write(learnt), Access::Read(samples)];
            l.dispatch(Variant::new("energy/kohonen/pass"), params, buffers, 64);
        }
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (given, samples) = (&inputs[0], &inputs[1]);
        let (shape, c) = (given.shape, given.shape.c);
        let rate = f64::from(self.rate);
        let mut map = given.clone();
        let mut energy = 0.0;
        for sample in samples.data.chunks_exact(c) {
            for unit in Self::around(shape, Self::nearest(given, sample)) {
                let distances = given.data[unit * c..(unit + 1) * c].iter().zip(sample);
                energy += distances.map(|(v, x)| (v - x).powi(2)).sum::<f64>() / 5.0;
            }
            for unit in Self::around(shape, Self::nearest(&map, sample)) {
                for (v, x) in map.data[unit * c..(unit + 1) * c].iter_mut().zip(sample) {
                    *v = rate * x + (1.0 - rate) * *v;
                }
            }
        }
        let energy = Array { shape: Shape::SCALAR, data: vec![energy / samples.shape.w as f64] };
        vec![map, energy]
    }
}

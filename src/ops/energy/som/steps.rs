//! Steps one by one, the state passing through memory.

use super::{
    super::{Response, trace::Trace},
    Som,
};
use crate::{
    gpu::Variant,
    graph::{Access, Lowering, Shape, Var},
};

impl Som {
    /// Bytes that the steps of this form move over beliefs of shape `v`, each tensor of a dispatch once: beliefs in and out
    /// and weights a step; by response also beliefs for the responses, these, and the mask.
    pub fn step_bytes(&self, v: Shape) -> u64 {
        let (phi, response) = (v.with_c(4).bytes(), v.with_c(1).bytes());
        let weighing = 2 * phi + if self.responds() { v.bytes() + 2 * response } else { 0 };
        let weighings = if self.responds() { self.steps as u64 } else { 1 };
        let start = if self.anchor > 0.0 { v.bytes() } else { 0 };
        let energies = if self.traced { (self.steps as u64 + 1) * phi + v.bytes() } else { 0 };
        self.steps as u64 * (2 * v.bytes() + phi + start) + weighings * weighing + energies
    }

    /// Adds the dispatches.
    pub(super) fn lower_steps(&self, l: &mut Lowering<'_>) {
        let v = l.input_shape(0);
        let trace = self.traced.then(|| Trace::new(l, v.n, (v.vec4s() / v.n).div_ceil(64), self.steps + 1));
        let two = [l.scratch("state", v), l.scratch("state", v)];
        let mut state = l.input(0);
        let mut weights = None;
        for step in 0..self.steps {
            if weights.is_none() || self.responds() {
                weights = Some(self.weights(l, state));
            }
            let next = if step + 1 == self.steps { l.output(0) } else { two[step % 2] };
            self.dispatch(l, state, Some(next), weights, trace.as_ref().map(|t| (t, step)));
            state = next;
        }
        if let Some(trace) = &trace {
            self.dispatch(l, state, None, None, Some((trace, self.steps)));
            trace.finish(l, l.output(1));
        }
    }

    /// One step, or where `next` is none the energy of the state alone.
    fn dispatch(
        &self,
        l: &mut Lowering<'_>,
        state: Var,
        next: Option<Var>,
        weights: Option<Var>,
        trace: Option<(&Trace, usize)>,
    ) {
        let v = l.input_shape(0);
        let vec4s = v.vec4s() / v.n;
        let params = vec![
            ("vec4s", vec4s.into()),
            ("groups", vec4s.div_ceil(64).into()),
            ("pictures", v.n.into()),
            ("h", v.h.into()),
            ("w", v.w.into()),
            ("c4", v.c4().into()),
            ("anchor", self.anchor.into()),
            ("row", trace.map_or(0, |(trace, step)| trace.row(step)).into()),
        ];
        let anchored = self.anchor > 0.0 && next.is_some();
        let variant = Variant::new("energy/som/step")
            .feature("still", next.is_none())
            .feature("anchored", anchored)
            .feature("traced", trace.is_some());
        let mut buffers: Vec<Access> = next.map(Access::Write).into_iter().collect();
        buffers.push(Access::Read(state));
        buffers.extend(weights.map(Access::Read));
        buffers.extend(anchored.then(|| Access::Read(l.input(2))));
        if let Some((trace, _)) = trace {
            buffers.extend([Access::Read(l.input(1)), Access::Write(trace.partial)]);
        }
        l.dispatch(variant, params, buffers, v.n * vec4s.div_ceil(64) * 64);
    }

    /// Adds the dispatches that weigh the neighbours of every pixel of `state`.
    fn weights(&self, l: &mut Lowering<'_>, state: Var) -> Var {
        let v = l.input_shape(0);
        let weights = l.scratch("weights", v.with_c(4));
        let mut buffers = vec![Access::Write(weights), Access::Read(l.input(1))];
        if self.responds() {
            buffers.push(Access::Read(Response::of(l, state, v)));
        }
        let params = vec![
            ("pixels", v.pixels().into()),
            ("h", v.h.into()),
            ("w", v.w.into()),
            ("rate", self.rate.into()),
            ("own", self.own().into()),
        ];
        let variant = Variant::new("energy/som/weights")
            .feature("response", self.responds())
            .feature("literal", self.literal());
        l.dispatch(variant, params, buffers, v.pixels());
        weights
    }
}

//! Descents of the conditional random field (section 3.2).

use super::{
    NeighbourDots, Neighbours, Pulled, Steps, Through, anchors, around, outputs, pixel, scaled, trace::Trace,
};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape, Var},
    ops::{Binary, BinaryKind, Keep, MatMul, Reduce},
};

/// Steps of the conditional random field over a belief map, `v_i += rate * sum over neighbours of k_ij W v_j` (eq 14).
///
/// Inputs: beliefs v `[N, H, W, L]`; likeness k `[N, H, W, 4]` of [`super::CrfKernel`]; the compatibility W of labels
/// `[1, 1, L, L]`, or one number `[1, 1, 1, 1]`; and, where `anchor` is above 0, the beliefs that each step is pulled back to.
/// Outputs: the beliefs after all steps and, where `traced`, the energies (eq 11) `[N, 1, 1, steps + 1]`,
/// `-sum of k_ij v_i . W v_j`.
///
/// As printed beliefs grow without bound, by up to 1 + rate a step. Where `normalised` each step is divided by that: with
/// W = 1 and likeness that sums to 1 it is then a mean, and beliefs stay within their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crf {
    /// The step size alpha.
    pub rate: f32,
    /// How many steps.
    pub steps: usize,
    /// Divides each step by 1 + rate.
    pub normalised: bool,
    /// Share of the way back to the anchor in each step; 0: none.
    pub anchor: f32,
    /// How the gradient goes back.
    pub through: Through,
    /// Tells energies.
    pub traced: bool,
}

impl Crf {
    /// Steps as printed.
    pub const fn new(rate: f32, steps: usize) -> Self {
        Self { rate, steps, normalised: false, anchor: 0.0, through: Through::Unrolled, traced: false }
    }

    /// Factors of the old belief and of what is added to it.
    fn factors(&self) -> (f32, f32) {
        let keep = if self.normalised { 1.0 / (1.0 + self.rate) } else { 1.0 };
        (keep, self.rate * keep)
    }

    /// One step, or where `next` is none the energy of the state alone.
    fn dispatch(&self, l: &mut Lowering<'_>, state: Var, next: Option<Var>, trace: Option<(&Trace, usize)>) {
        let v = l.input_shape(0);
        let vec4s = v.vec4s() / v.n;
        let (keep, rate) = self.factors();
        let params = vec![
            ("vec4s", vec4s.into()),
            ("groups", vec4s.div_ceil(64).into()),
            ("pictures", v.n.into()),
            ("h", v.h.into()),
            ("w", v.w.into()),
            ("c4", v.c4().into()),
            ("channels", v.c.into()),
            ("keep", keep.into()),
            ("rate", rate.into()),
            ("anchor", self.anchor.into()),
            ("row", trace.map_or(0, |(trace, step)| trace.row(step)).into()),
        ];
        let anchored = self.anchor > 0.0 && next.is_some();
        let variant = Variant::new("energy/crf")
            .feature("still", next.is_none())
            .feature("matrix", l.input_shape(2) != Shape::SCALAR)
            .feature("anchored", anchored)
            .feature("traced", trace.is_some());
        let mut buffers: Vec<Access> = next.map(Access::Write).into_iter().collect();
        buffers.extend([Access::Read(state), Access::Read(l.input(1)), Access::Read(l.input(2))]);
        buffers.extend(anchored.then(|| Access::Read(l.input(3))));
        buffers.extend(trace.map(|(trace, _)| Access::Write(trace.partial)));
        l.dispatch(variant, params, buffers, v.n * vec4s.div_ceil(64) * 64);
    }

    /// On the host: W times what the neighbours of a pixel say.
    fn twin_seen(inputs: &[Array], v: &Array, n: usize, h: usize, w: usize) -> Vec<f64> {
        let (k, compatibility) = (&inputs[1], &inputs[2]);
        let mut gathered = vec![0.0; v.shape.c];
        for (d, y, x) in around(v.shape, h, w) {
            gathered.iter_mut().zip(pixel(v, n, y, x)).for_each(|(g, v)| *g += k.at(n, h, w, d) * v);
        }
        if compatibility.shape == Shape::SCALAR {
            return gathered.into_iter().map(|g| compatibility.data[0] * g).collect();
        }
        let rows = compatibility.data.chunks_exact(v.shape.c);
        rows.map(|row| row.iter().zip(&gathered).map(|(w, g)| w * g).sum()).collect()
    }
}

impl Steps for Crf {
    fn steps(&self) -> usize {
        self.steps
    }

    fn of_steps(self, steps: usize) -> Self {
        Self { steps, traced: false, ..self }
    }

    fn pull(&self, b: &mut Backward<'_>, state: Var, dy: Var, all: bool) -> Result<Pulled> {
        let (k, w) = (b.node.inputs[1], b.node.inputs[2]);
        let matrix = b.graph.shape(w) != Shape::SCALAR;
        let (keep, rate) = self.factors();
        let wants = [1, 2].map(|slot| all && b.wants(slot));
        let g = &mut *b.graph;
        // W^T dy, a pixel a row.
        let turned = if matrix {
            g.apply(MatMul::new(false, false), &[dy, w])?
        } else {
            g.apply(Binary::new(BinaryKind::Mul), &[dy, w])?
        };
        let back = g.apply(Neighbours { scale: rate, adjoint: true }, &[k, turned])?;
        let kept = scaled(g, dy, keep - self.anchor)?;
        let state_pull = g.apply(Binary::new(BinaryKind::Add), &[back, kept])?;
        let mut others = Vec::new();
        if wants[0] {
            others.push((1, g.apply(NeighbourDots { scale: rate }, &[turned, state])?));
        }
        if wants[1] {
            let gathered = g.apply(Neighbours::new(rate), &[k, state])?;
            let dw = if matrix {
                g.apply(MatMul::new(true, false), &[dy, gathered])?
            } else {
                g.apply(Reduce::sum_of_product(Keep::Nothing), &[dy, gathered])?
            };
            others.push((2, dw));
        }
        if all && self.anchor > 0.0 {
            others.push((3, scaled(g, dy, self.anchor)?));
        }
        Ok(Pulled { state: state_pull, others })
    }
}

impl Operator for Crf {
    fn name(&self) -> &'static str {
        "energy/crf"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let fail = |message: String| Err(Error::shape("crf", message));
        if self.steps == 0 || !self.rate.is_finite() || !(0.0..1.0).contains(&self.anchor) {
            return fail(format!("wants steps, a finite rate and an anchor of 0 to 1, got {self:?}"));
        }
        if matches!(self.through, Through::Implicit(_)) && self.anchor == 0.0 {
            return fail(
                "an implicit gradient wants an anchor: eq 14 has no decay, and without one no isolated equilibrium".into(),
            );
        }
        match inputs {
            [v, k, w, start @ ..]
                if v.count() > 0
                    && *k == v.with_c(4)
                    && [Shape::SCALAR, Shape::new(1, 1, v.c, v.c)].contains(w)
                    && anchors(start, *v, self.anchor) =>
            {
                Ok(outputs(*v, self.steps, self.traced))
            }
            _ => fail(format!("beliefs, likeness, compatibility and anchor do not fit: {inputs:?}")),
        }
    }

    fn cost(&self, inputs: &[Shape], _: &[Shape]) -> Cost {
        let (v, k, w) = (inputs[0], inputs[1], inputs[2]);
        let steps = self.steps as u64;
        let flops = (8 + 2 * w.c as u64) * v.count() as u64;
        Cost { flops: steps * flops, bytes: steps * (2 * v.bytes() + k.bytes() + w.bytes()) }
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![1, 2]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        if self.traced { vec![1] } else { Vec::new() }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        self.differentiate(b, self.through)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let v = l.input_shape(0);
        let trace = self.traced.then(|| Trace::new(l, v.n, (v.vec4s() / v.n).div_ceil(64), self.steps + 1));
        let two = [l.scratch("state", v), l.scratch("state", v)];
        let mut state = l.input(0);
        for step in 0..self.steps {
            let next = if step + 1 == self.steps { l.output(0) } else { two[step % 2] };
            self.dispatch(l, state, Some(next), trace.as_ref().map(|t| (t, step)));
            state = next;
        }
        if let Some(trace) = &trace {
            self.dispatch(l, state, None, Some((trace, self.steps)));
            trace.finish(l, l.output(1));
        }
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (keep, rate) = self.factors();
        let mut states = vec![inputs[0].clone()];
        let mut energies = Array::zeros(Shape::new(inputs[0].shape.n, 1, 1, self.steps + 1));
        for t in 0..=self.steps {
            let v = states[t].clone();
            let mut next = v.clone();
            for n in 0..v.shape.n {
                for h in 0..v.shape.h {
                    for w in 0..v.shape.w {
                        for (c, seen) in Self::twin_seen(inputs, &v, n, h, w).into_iter().enumerate() {
                            let own = v.at(n, h, w, c);
                            let back = inputs.get(3).map_or(0.0, |s| s.at(n, h, w, c) - own);
                            *energies.at_mut(n, 0, 0, t) -= own * seen;
                            *next.at_mut(n, h, w, c) = f64::from(keep) * own
                                + f64::from(rate) * seen
                                + f64::from(self.anchor) * back;
                        }
                    }
                }
            }
            states.push(next);
        }
        let last = states[self.steps].clone();
        if self.traced { vec![last, energies] } else { vec![last] }
    }
}

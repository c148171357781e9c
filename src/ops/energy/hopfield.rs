//! Descents of the Hopfield network over patches (section 3.3).

use super::{Entmax, EntmaxKind, Pulled, Steps, Through, anchors, outputs, scaled, trace::Trace};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Graph, Lowering, Operator, Shape, Var},
    ops::{Act, Activation, Binary, BinaryKind, MatMul, Softmax, add},
};

/// How likenesses z to the memories become their weights, g in the paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retrieval {
    /// softmax(beta z), of the energy by log-sum-exp (eq 17).
    #[default]
    Softmax,
    /// max(z, 0), of the energy by squares, which the paper names.
    Relu,
    /// sparsemax or entmax of beta z: many weights are 0.
    Sparse(EntmaxKind),
}

impl Retrieval {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Softmax, Self::Relu, Self::Sparse(EntmaxKind::Sparsemax), Self::Sparse(EntmaxKind::Entmax15)];

    const fn feature(self) -> &'static str {
        match self {
            Self::Softmax => "softmax",
            Self::Relu => "relu",
            Self::Sparse(EntmaxKind::Sparsemax) => "sparsemax",
            Self::Sparse(EntmaxKind::Entmax15) => "entmax15",
        }
    }
}

/// Steps of a Hopfield network over patches, `v += rate * (xi^T g(xi v) - v)` (eq 18). Inputs: patches as rows
/// `[N, h, w, I0]`, see [`super::Patches`]; memories xi `[1, 1, I1, I0]`; and, where `anchor` is above 0, the patches that each
/// step is pulled back to. Outputs: the patches after all steps and, where `traced`, the energies (eq 17, with its indices put
/// right) `[N, 1, 1, steps + 1]`, sums over patches of `-log sum exp(beta xi v) / beta + |v|^2 / 2` or what the other
/// retrievals have in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hopfield {
    /// How likenesses become weights.
    pub retrieval: Retrieval,
    /// The step size alpha. Up to 1 the energy never rises.
    pub rate: f32,
    /// The inverse temperature beta.
    pub beta: f32,
    /// How many steps.
    pub steps: usize,
    /// Share of the way back to the anchor in each step; 0: none.
    pub anchor: f32,
    /// How the gradient goes back.
    pub through: Through,
    /// Tells energies.
    pub traced: bool,
}

/// Most rounds of all loops of an invocation in a dispatch: software drivers end them all at 65535.
const ROUNDS: usize = 50_000;
/// Bytes of workgroup memory for a patch and its likenesses, besides those of a sum; what all devices have.
const BYTES: usize = 16_384 - 1_024;

impl Hopfield {
    /// By softmax of temperature 1.
    pub const fn new(rate: f32, steps: usize) -> Self {
        Self {
            retrieval: Retrieval::Softmax,
            rate,
            beta: 1.0,
            steps,
            anchor: 0.0,
            through: Through::Unrolled,
            traced: false,
        }
    }

    /// Steps that a dispatch may take.
    fn stretch(patches: Shape, memories: usize) -> usize {
        let quads = patches.c4();
        let blocks = memories.div_ceil(64);
        let rounds = blocks * (quads + 36) + quads.div_ceil(64) * (memories + 3) + 64 * 8;
        (ROUNDS / rounds).max(1)
    }

    /// Weights of the memories and, from dy by them, that by the likenesses.
    fn weights(&self, g: &mut Graph, likeness: Var) -> Result<Var> {
        if self.retrieval == Retrieval::Relu {
            return g.apply(Activation::new(Act::Relu), &[likeness]);
        }
        let sharp = scaled(g, likeness, self.beta)?;
        match self.retrieval {
            Retrieval::Sparse(kind) => g.apply(Entmax::new(kind), &[sharp]),
            _ => g.apply(Softmax::new(), &[sharp]),
        }
    }

    fn weights_back(&self, g: &mut Graph, weights: Var, dy: Var) -> Result<Var> {
        let back = match self.retrieval {
            Retrieval::Relu => return g.apply(Activation::backward_of_output(Act::Relu), &[weights, dy]),
            Retrieval::Softmax => g.apply(Softmax::backward(false), &[weights, dy])?,
            Retrieval::Sparse(kind) => g.apply(Entmax::backward(kind), &[weights, dy])?,
        };
        scaled(g, back, self.beta)
    }

    /// On the host: weights of the memories and the energy of the likenesses `z`.
    fn twin_weights(&self, z: &[f64]) -> (Vec<f64>, f64) {
        let beta = f64::from(self.beta);
        if self.retrieval == Retrieval::Relu {
            let weights: Vec<f64> = z.iter().map(|z| z.max(0.0)).collect();
            let energy = -0.5 * weights.iter().map(|w| w * w).sum::<f64>();
            return (weights, energy);
        }
        let sharp: Vec<f64> = z.iter().map(|z| beta * z).collect();
        let won = |weights: &[f64]| weights.iter().zip(&sharp).map(|(w, z)| w * z).sum::<f64>();
        match self.retrieval {
            Retrieval::Sparse(kind) => {
                let weights = Entmax::new(kind).pixel(&sharp);
                let (factor, power) =
                    if kind == EntmaxKind::Sparsemax { (0.5, 2.0) } else { (4.0 / 3.0, 1.5) };
                let spread = factor * (weights.iter().map(|w| w.powf(power)).sum::<f64>() - 1.0);
                let energy = (spread - won(&weights)) / beta;
                (weights, energy)
            }
            _ => {
                let top = sharp.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let whole: f64 = sharp.iter().map(|z| (z - top).exp()).sum();
                let weights = sharp.iter().map(|z| (z - top).exp() / whole).collect();
                (weights, -(top + whole.ln()) / beta)
            }
        }
    }
}

impl Steps for Hopfield {
    fn steps(&self) -> usize {
        self.steps
    }

    fn of_steps(self, steps: usize) -> Self {
        Self { steps, traced: false, ..self }
    }

    fn pull(&self, b: &mut Backward<'_>, state: Var, dy: Var, all: bool) -> Result<Pulled> {
        let memories = b.node.inputs[1];
        let by_memories = all && b.wants(1);
        let g = &mut *b.graph;
        let likeness = g.apply(MatMul::new(false, true), &[state, memories])?;
        let weights = self.weights(g, likeness)?;
        let moved = scaled(g, dy, self.rate)?;
        let by_weights = g.apply(MatMul::new(false, true), &[moved, memories])?;
        let by_likeness = self.weights_back(g, weights, by_weights)?;
        let back = g.apply(MatMul::new(false, false), &[by_likeness, memories])?;
        let kept = scaled(g, dy, 1.0 - self.rate - self.anchor)?;
        let state_pull = g.apply(Binary::new(BinaryKind::Add), &[back, kept])?;
        let mut others = Vec::new();
        if by_memories {
            let told = g.apply(MatMul::new(true, false), &[weights, moved])?;
            let asked = g.apply(MatMul::new(true, false), &[by_likeness, state])?;
            others.push((1, add(g, told, asked)?));
        }
        if all && self.anchor > 0.0 {
            others.push((2, scaled(g, dy, self.anchor)?));
        }
        Ok(Pulled { state: state_pull, others })
    }
}

impl Operator for Hopfield {
    fn name(&self) -> &'static str {
        "energy/hopfield"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let fail = |message: String| Err(Error::shape("hopfield", message));
        let known = self.rate.is_finite() && self.beta.is_finite() && self.beta > 0.0;
        if self.steps == 0 || !known || !(0.0..1.0).contains(&self.anchor) {
            return fail(format!(
                "wants steps, a finite rate, beta above 0 and an anchor of 0 to 1, got {self:?}"
            ));
        }
        let (v, xi) = match inputs {
            [v, xi, start @ ..]
                if v.count() > 0
                    && *xi == Shape::new(1, 1, xi.w, v.c)
                    && xi.w > 0
                    && anchors(start, *v, self.anchor) =>
            {
                (*v, *xi)
            }
            _ => return fail(format!("patches, memories and anchor do not fit: {inputs:?}")),
        };
        if 16 * v.c4() + 4 * xi.w > BYTES {
            return fail(format!(
                "a patch of {} numbers and its likeness to {} memories do not fit into {BYTES} bytes of workgroup memory; \
                 take smaller patches or fewer memories",
                v.c, xi.w
            ));
        }
        Ok(outputs(v, self.steps, self.traced))
    }

    fn cost(&self, inputs: &[Shape], _: &[Shape]) -> Cost {
        let (v, xi) = (inputs[0], inputs[1]);
        let steps = self.steps as u64;
        let stretches = self.steps.div_ceil(Self::stretch(v, xi.w)) as u64;
        let flops = steps * 4 * (v.pixels() * xi.count()) as u64;
        Cost { flops, bytes: stretches * (2 * v.bytes() + xi.bytes()) }
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![1]
    }

    fn exact_outputs(&self, _: &[bool]) -> Vec<usize> {
        if self.traced { vec![1] } else { Vec::new() }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        self.differentiate(b, self.through)
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let (v, xi) = (l.input_shape(0), l.input_shape(1));
        let stretch = Self::stretch(v, xi.w);
        let trace = self.traced.then(|| Trace::new(l, v.n, v.h * v.w, self.steps + 1));
        let two = [l.scratch("state", v), l.scratch("state", v)];
        let mut state = l.input(0);
        for (i, first) in (0..self.steps).step_by(stretch).enumerate() {
            let steps = stretch.min(self.steps - first);
            let next = if first + steps == self.steps { l.output(0) } else { two[i % 2] };
            let params = vec![
                ("rows", v.pixels().into()),
                ("steps", steps.into()),
                ("rate", self.rate.into()),
                ("beta", self.beta.into()),
                ("anchor", self.anchor.into()),
                ("row", trace.as_ref().map_or(0, |trace| trace.row(first)).into()),
            ];
            let variant = Variant::new("energy/hopfield")
                .constant("QUADS", v.c4() as u32)
                .constant("MEMORIES", xi.w as u32)
                .feature(self.retrieval.feature(), true)
                .feature("anchored", self.anchor > 0.0)
                .feature("traced", trace.is_some());
            let mut buffers = vec![Access::Write(next), Access::Read(state), Access::Read(l.input(1))];
            buffers.extend((self.anchor > 0.0).then(|| Access::Read(l.input(2))));
            buffers.extend(trace.as_ref().map(|trace| Access::Write(trace.partial)));
            l.dispatch(variant, params, buffers, 64 * v.pixels());
            state = next;
        }
        if let Some(trace) = &trace {
            trace.finish(l, l.output(1));
        }
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (xi, size) = (&inputs[1], inputs[0].shape.c);
        let mut state = inputs[0].clone();
        let per_picture = state.shape.h * state.shape.w;
        let mut energies = Array::zeros(Shape::new(state.shape.n, 1, 1, self.steps + 1));
        for t in 0..=self.steps {
            for (row, v) in state.data.chunks_exact_mut(size).enumerate() {
                let rows = || xi.data.chunks_exact(size);
                let z: Vec<f64> = rows().map(|m| m.iter().zip(&*v).map(|(m, v)| m * v).sum()).collect();
                let (weights, energy) = self.twin_weights(&z);
                let whole = energy + 0.5 * v.iter().map(|v| v * v).sum::<f64>();
                *energies.at_mut(row / per_picture, 0, 0, t) += whole;
                if t == self.steps {
                    continue;
                }
                for (i, v) in v.iter_mut().enumerate() {
                    let found: f64 = weights.iter().zip(rows()).map(|(w, m)| w * m[i]).sum();
                    let back = inputs.get(2).map_or(0.0, |s| s.data[row * size + i] - *v);
                    *v += f64::from(self.rate) * (found - *v) + f64::from(self.anchor) * back;
                }
            }
        }
        if self.traced { vec![state, energies] } else { vec![state] }
    }
}

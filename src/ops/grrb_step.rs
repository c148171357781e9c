//! A step of the gated recurrent residual block in one pass, for prediction.

use super::{Act, Conv2d, Geometry, concat::join};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Invocations of a workgroup.
const THREADS: usize = 64;
/// Pixels of a row that an invocation makes.
const RUN: usize = 8;

/// `y = r + sigmoid(gate) act(s)` (SiGREnet, section II.A.2), without gradient: what [`crate::nn::grrb`] makes of
/// operators that have one.
///
/// Inputs: features f and state r, `[N, H, W, C]`; weight `[3, 3, 1, C]` and bias `[C]` of the depthwise convolution of f + r;
/// weight `[1, 1, padded C, C]` and bias of the pointwise one that makes s of it; weight
/// `[1, 1, 2 padded C, C]` and bias of the gate, a 1x1 convolution of f and r.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrrbStep {
    /// s is made of f alone.
    pub still_input: bool,
    /// The gate is made of f alone, with a weight `[1, 1, padded C, C]`.
    pub still_gate: bool,
    /// Applied to s.
    pub act: Act,
}

impl GrrbStep {
    /// The convolutions of `channels`: depthwise, pointwise, gate.
    fn convolutions(&self, channels: usize) -> [Conv2d; 3] {
        let of = |geometry, sources, act| Conv2d { sources, bias: true, act, ..Conv2d::new(geometry) };
        let pointwise = Geometry::square(1, 1, 0);
        [
            of(Geometry::square(3, 1, 1).grouped(channels), 1, Act::Identity),
            of(pointwise, 1, self.act),
            of(pointwise, if self.still_gate { 1 } else { 2 }, Act::Sigmoid),
        ]
    }

    /// Shapes of all inputs for features of one.
    pub(super) fn inputs(&self, f: Shape) -> [Shape; 8] {
        let (padded, bias) = (4 * f.c4(), Shape::channels(f.c));
        let gate = if self.still_gate { padded } else { 2 * padded };
        [
            f,
            f,
            Shape::new(3, 3, 1, f.c),
            bias,
            Shape::new(1, 1, padded, f.c),
            bias,
            Shape::new(1, 1, gate, f.c),
            bias,
        ]
    }
}

impl Operator for GrrbStep {
    fn name(&self) -> &'static str {
        "grrb_step"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [features, ..] if inputs == self.inputs(*features) && features.count() > 0 => Ok(vec![*features]),
            _ => Err(Error::shape("grrb_step", format!("inputs {inputs:?} do not fit together"))),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let products: usize = inputs[2..].iter().step_by(2).map(|w| w.n * w.h * w.w).sum();
        let flops = (2 * outputs[0].count() * products) as u64;
        Cost { flops, ..Cost::elementwise(0, inputs, outputs) }
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape("grrb_step", "there is no gradient"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let y = l.output_shape(0);
        // A tile of as many invocations whatever the channels; two vec4 at least, of which one input is staged.
        let quads = y.c4().next_power_of_two().clamp(2, 16);
        let variant = Variant::new("grrb_step")
            .feature("still_input", self.still_input)
            .feature("still_gate", self.still_gate)
            .feature(self.act.name(), self.act != Act::Identity)
            .constant("QUADS", quads as u32);
        let params = vec![
            ("batch", y.n.into()),
            ("h", y.h.into()),
            ("w", y.w.into()),
            ("c", y.c.into()),
            ("c4", y.c4().into()),
            ("slope", self.act.slope().into()),
        ];
        // Devices need not let a pass see more than eight tensors.
        let padded = Shape::channels(4 * y.c4());
        let biases = l.scratch("biases", padded.with_c(2 * padded.c));
        let pair = [5, 7].map(|i| (l.input(i), padded));
        join(l, &pair, biases, padded.with_c(2 * padded.c));
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend([0, 1, 2, 3, 4, 6].map(|i| Access::Read(l.input(i))));
        buffers.push(Access::Read(biases));
        let tiles = y.n * y.h.div_ceil(THREADS / quads) * y.w.div_ceil(RUN);
        l.dispatch(variant, params, buffers, THREADS * tiles * y.c4().div_ceil(quads));
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let [f, r, parameters @ ..] = inputs else { return Vec::new() };
        let mut seen = f.clone();
        if !self.still_input {
            seen.data.iter_mut().zip(&r.data).for_each(|(f, r)| *f += r);
        }
        let run = |conv: Conv2d, sources: &[Array], first: usize| {
            conv.twin(&[sources, &parameters[first..first + 2]].concat()).remove(0)
        };
        let [depthwise, pointwise, gate] = self.convolutions(f.shape.c);
        let s = run(depthwise, &[seen], 0);
        let s = run(pointwise, &[s], 2);
        let g = run(gate, &inputs[..if self.still_gate { 1 } else { 2 }], 4);
        let mut y = r.clone();
        y.data.iter_mut().zip(s.data.iter().zip(&g.data)).for_each(|(y, (s, g))| *y += s * g);
        vec![y]
    }
}

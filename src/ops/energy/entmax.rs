//! Sparse alternatives to the softmax over channels.

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape},
};

/// Which map onto the probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntmaxKind {
    /// `max(z - tau, 0)`: the nearest probabilities to z (Martins and Astudillo, 2016).
    Sparsemax,
    /// `max(z / 2 - tau, 0)^2`, halfway between that and the softmax (Peters, Niculae and Martins, 2019).
    Entmax15,
}

/// Probabilities of the channels of each pixel, many of them exactly zero; tau is such that they sum to 1. Input x
/// `[N, H, W, C]`, any finite numbers. Gradients are those of the channels that are not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entmax {
    /// Which map.
    pub kind: EntmaxKind,
    backward: bool,
}

/// From so many vec4s of channels on, a workgroup serves a pixel and not an invocation.
const WIDE: usize = 65;

impl Entmax {
    /// Channels at most: an invocation's loops must end.
    pub const MOST_CHANNELS: usize = 1 << 18;

    /// The probabilities; input x.
    pub const fn new(kind: EntmaxKind) -> Self {
        Self { kind, backward: false }
    }

    /// The gradient by x; inputs y, dy.
    pub const fn backward(kind: EntmaxKind) -> Self {
        Self { kind, backward: true }
    }

    /// Probabilities of one pixel, the threshold found by sorting.
    pub(super) fn pixel(self, z: &[f64]) -> Vec<f64> {
        let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let factor = if self.kind == EntmaxKind::Sparsemax { 1.0 } else { 0.5 };
        let z: Vec<f64> = z.iter().map(|v| factor * (v - top)).collect();
        let mut sorted = z.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let tau = match self.kind {
            EntmaxKind::Sparsemax => linear_threshold(&sorted),
            EntmaxKind::Entmax15 => square_threshold(&sorted),
        };
        let power = |v: f64| if self.kind == EntmaxKind::Sparsemax { v } else { v * v };
        z.iter().map(|v| power((v - tau).max(0.0))).collect()
    }

    /// How much each channel takes part in the gradient, by its probability.
    fn weight(self, y: f64) -> f64 {
        match self.kind {
            EntmaxKind::Sparsemax => f64::from(u8::from(y > 0.0)),
            EntmaxKind::Entmax15 => y.sqrt(),
        }
    }
}

/// Tau with `sum of max(z - tau, 0) = 1`, of falling z.
fn linear_threshold(z: &[f64]) -> f64 {
    let (mut sum, mut tau) = (0.0, 0.0);
    for (i, v) in z.iter().enumerate() {
        sum += v;
        let next = (sum - 1.0) / (i + 1) as f64;
        if *v <= next {
            break;
        }
        tau = next;
    }
    tau
}

/// Tau with `sum of max(z - tau, 0)^2 = 1`, of falling z.
fn square_threshold(z: &[f64]) -> f64 {
    let (mut mean, mut spread, mut tau) = (0.0f64, 0.0f64, 0.0f64);
    for (i, v) in z.iter().enumerate() {
        // Mean and squares about it, by Welford.
        let (count, away) = ((i + 1) as f64, v - mean);
        mean += away / count;
        spread += away * (v - mean);
        let next = mean - ((1.0 - spread) / count).max(0.0).sqrt();
        if *v < next {
            break;
        }
        tau = next;
    }
    tau
}

impl Operator for Entmax {
    fn name(&self) -> &'static str {
        "energy/entmax"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [x, rest @ ..]
                if rest.len() == usize::from(self.backward)
                    && (1..=Self::MOST_CHANNELS).contains(&x.c)
                    && rest.iter().all(|s| s == x) =>
            {
                Ok(vec![*x])
            }
            _ => Err(Error::shape(
                "entmax",
                format!(
                    "wants {} of 1 to {} channels, got {inputs:?}",
                    if self.backward { "y and dy of one shape" } else { "x" },
                    Self::MOST_CHANNELS
                ),
            )),
        }
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        // Some six rounds in practice of seven operations.
        Cost::elementwise(if self.backward { 5 } else { 42 }, inputs, outputs)
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), false) = (b.dy(), self.backward) else {
            return Err(Error::shape("entmax", "second derivatives are not built"));
        };
        let y = b.output(0);
        let dx = b.graph.apply(Self::backward(self.kind), &[y, dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.output_shape(0);
        let wide = x.c4() >= WIDE;
        let variant = Variant::new("energy/entmax")
            .feature("square", self.kind == EntmaxKind::Entmax15)
            .feature("backward", self.backward)
            .feature("wide", wide);
        let params = vec![("pixels", x.pixels().into()), ("c4", x.c4().into()), ("channels", x.c.into())];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, x.pixels() * if wide { 64 } else { 1 });
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let pixels = x.data.chunks_exact(x.shape.c);
        let data = if self.backward {
            let both = pixels.zip(inputs[1].data.chunks_exact(x.shape.c));
            both.flat_map(|(y, dy)| {
                let weights: Vec<f64> = y.iter().map(|v| self.weight(*v)).collect();
                let weighted: f64 = weights.iter().zip(dy).map(|(w, d)| w * d).sum();
                let mean = weighted / weights.iter().sum::<f64>();
                weights.iter().zip(dy).map(|(w, d)| w * (d - mean)).collect::<Vec<_>>()
            })
            .collect()
        } else {
            pixels.flat_map(|z| self.pixel(z)).collect()
        };
        vec![Array { shape: x.shape, data }]
    }
}

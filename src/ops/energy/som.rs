//! Descents of the self-organising map (section 3.1).

mod steps;
mod tiles;

use super::{Pulled, SomGrad, Steps, Through, anchors, around, outputs, pixel};
use crate::{
    Error, Result,
    graph::{Array, Backward, Cost, Forms, Lowering, Operator, Shape, Site, Var},
};
pub use tiles::Tiles;

/// Form of a dispatch or more a step.
pub const STEPS: &str = "steps";
/// A form of several steps a dispatch, see [`Tiles`].
#[derive(Clone, Copy)]
struct Tiling {
    name: &'static str,
    /// Rows and columns of pixels that an invocation holds: large blocks show each other less, small ones take fewer registers.
    block: [usize; 2],
    /// Vec4s of a pixel, all of which eq 10 holds: what is more, no device has registers for.
    most_quads: usize,
}

const TILES: Tiling = Tiling { name: "tiles", block: [4, 1], most_quads: 8 };
const BLOCKS: Tiling = Tiling { name: "tiles of blocks", block: [4, 4], most_quads: 4 };
/// Pixels that regions have for each of the map, up to which software drivers begin with blocks: they take 0.65 of the time of
/// steps at 2.25 (`docs/results/bench-llvmpipe.md`).
const LITTLE_EXCESS: f64 = 2.5;

/// How a pixel weighs its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Eq 9: all that it listens to alike, `v_j += rate / n_j * sum of phi (v_i - v_j)` with n_j their number; a pixel that
    /// listens to none stays.
    Equilibrium {
        /// Counts the pixel itself among its neighbours, which adds 1 to n_j.
        include_self: bool,
    },
    /// Eq 10: by their responses r, `v_j += rate * sum of phi exp(r_i) / (exp(r_j) + sum of phi exp(r_k)) (v_i - v_j)`.
    Response {
        /// As printed, with `exp(r phi)`: dropped edges then leak, since exp(0) = 1.
        literal: bool,
    },
}

/// Steps of the self-organising map over a belief map. Inputs: beliefs v `[N, H, W, L]`; the mask phi `[N, H, W, 4]` of
/// [`super::EdgeMask`]; and, where `anchor` is above 0, the beliefs `[N, H, W, L]` that each step is pulled back to. Outputs:
/// the beliefs after all steps and, where `traced`, the edge energies `[N, 1, 1, steps + 1]` before and after each,
/// `sum over edges of phi |v_i - v_j|^2 / 2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Som {
    /// How a pixel weighs its neighbours.
    pub rule: Rule,
    /// The step size alpha.
    pub rate: f32,
    /// How many steps.
    pub steps: usize,
    /// Share of the way back to the anchor in each step; 0: none.
    pub anchor: f32,
    /// How the gradient goes back.
    pub through: Through,
    /// Tells energies.
    pub traced: bool,
}

impl Som {
    /// Steps without anchor or trace.
    pub const fn new(rule: Rule, rate: f32, steps: usize) -> Self {
        Self { rule, rate, steps, anchor: 0.0, through: Through::Unrolled, traced: false }
    }

    pub(super) const fn responds(&self) -> bool {
        matches!(self.rule, Rule::Response { .. })
    }

    pub(super) const fn literal(&self) -> bool {
        matches!(self.rule, Rule::Response { literal: true })
    }

    /// What a pixel adds to the number of its neighbours.
    pub(super) const fn own(&self) -> f32 {
        if let Rule::Equilibrium { include_self: true } = self.rule { 1.0 } else { 0.0 }
    }

    /// On the host: weights of the neighbours of a pixel, by direction.
    pub(super) fn twin_weights(&self, v: &Array, phi: &Array, n: usize, h: usize, w: usize) -> [f64; 4] {
        let near: Vec<_> = around(v.shape, h, w).collect();
        let mut weights = [0.0; 4];
        let rate = f64::from(self.rate);
        if let Rule::Equilibrium { .. } = self.rule {
            let heard: f64 = near.iter().map(|p| phi.at(n, h, w, p.0)).sum();
            for (d, ..) in near.into_iter().filter(|_| heard > 0.0) {
                weights[d] = rate * phi.at(n, h, w, d) / (heard + f64::from(self.own()));
            }
            return weights;
        }
        let own = super::Response::value(pixel(v, n, h, w));
        let terms: Vec<(usize, f64, f64)> = near
            .into_iter()
            .map(|(d, y, x)| (d, phi.at(n, h, w, d), super::Response::value(pixel(v, n, y, x))))
            .map(|(d, phi, r)| if self.literal() { (d, 1.0, r * phi) } else { (d, phi, r) })
            .filter(|(_, phi, _)| *phi > 0.0)
            .collect();
        let top = terms.iter().fold(own, |top, t| top.max(t.2));
        let total: f64 = (own - top).exp() + terms.iter().map(|t| t.1 * (t.2 - top).exp()).sum::<f64>();
        for (d, phi, r) in terms {
            weights[d] = rate * phi * (r - top).exp() / total;
        }
        weights
    }

    fn twin_step(&self, v: &Array, phi: &Array, start: Option<&Array>) -> Array {
        let mut next = v.clone();
        for n in 0..v.shape.n {
            for h in 0..v.shape.h {
                for w in 0..v.shape.w {
                    let weights = self.twin_weights(v, phi, n, h, w);
                    for c in 0..v.shape.c {
                        let own = v.at(n, h, w, c);
                        let moved: f64 = around(v.shape, h, w)
                            .map(|(d, y, x)| weights[d] * (v.at(n, y, x, c) - own))
                            .sum();
                        let back = start.map_or(0.0, |s| f64::from(self.anchor) * (s.at(n, h, w, c) - own));
                        *next.at_mut(n, h, w, c) = own + moved + back;
                    }
                }
            }
        }
        next
    }
}

impl Steps for Som {
    fn steps(&self) -> usize {
        self.steps
    }

    fn of_steps(self, steps: usize) -> Self {
        Self { steps, traced: false, ..self }
    }

    fn pull(&self, b: &mut Backward<'_>, state: Var, dy: Var, all: bool) -> Result<Pulled> {
        let edges = all && b.wants(1);
        let op = SomGrad { rule: self.rule, rate: self.rate, anchor: self.anchor, edges };
        let made = b.graph.apply_all(op, &[state, b.node.inputs[1], dy])?;
        let mut others = Vec::new();
        others.extend(made.get(1).map(|slopes| (1, *slopes)));
        if all && self.anchor > 0.0 {
            others.push((2, super::scaled(b.graph, dy, self.anchor)?));
        }
        Ok(Pulled { state: made[0], others })
    }
}

impl Operator for Som {
    fn name(&self) -> &'static str {
        "energy/som"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let fail = |message: String| Err(Error::shape("som", message));
        if self.steps == 0 || !self.rate.is_finite() || !(0.0..1.0).contains(&self.anchor) {
            return fail(format!("wants steps, a finite rate and an anchor of 0 to 1, got {self:?}"));
        }
        if matches!(self.through, Through::Implicit(_)) && self.anchor == 0.0 {
            return fail(
                "an implicit gradient wants an anchor: without one every part of the picture that hangs together keeps its \
                 sum, and there is no isolated equilibrium"
                    .into(),
            );
        }
        match inputs {
            [v, phi, start @ ..]
                if v.count() > 0 && *phi == v.with_c(4) && anchors(start, *v, self.anchor) =>
            {
                Ok(outputs(*v, self.steps, self.traced))
            }
            _ => fail(format!("beliefs, a mask of 4 channels and the anchor do not fit: {inputs:?}")),
        }
    }

    fn cost(&self, inputs: &[Shape], _: &[Shape]) -> Cost {
        let per_number = if self.responds() { 15 } else { 12 };
        let flops = self.steps as u64 * per_number * inputs[0].count() as u64;
        Cost { flops, bytes: self.step_bytes(inputs[0]) }
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

    fn forms(&self, site: &Site<'_>) -> Option<Forms> {
        let v = site.inputs[0];
        let tiles = Tiles::new(self, v)?;
        let rule = if self.responds() { "response" } else { "equilibrium" };
        let key = format!(
            "energy/som {rule}, {} channels, {}x{}, {} steps{}{}{}",
            4 * v.c4(),
            v.h.next_power_of_two(),
            v.w.next_power_of_two(),
            self.steps,
            if self.anchor > 0.0 { ", anchored" } else { "" },
            if self.traced { ", traced" } else { "" },
            if site.half { ", half" } else { "" },
        );
        // Registers are few on GPUs. Processors work on all pixels of a region, even where few are of the map.
        let (small, large) = (Some(TILES), Some(BLOCKS));
        let order = match site.device.software {
            false => [small, large, None],
            true if tiles.excess() < LITTLE_EXCESS => [large, None, small],
            true => [None, large, small],
        };
        let fits = |form: &Option<Tiling>| form.is_none_or(|tiling| tiles.quads() <= tiling.most_quads);
        let names =
            order.into_iter().filter(fits).map(|form| form.map_or(STEPS, |tiling| tiling.name).to_owned());
        Some(Forms { key, names: names.collect() })
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let form = [TILES, BLOCKS].into_iter().find(|tiling| l.form() == Some(tiling.name));
        match (Tiles::new(self, l.input_shape(0)), form) {
            (Some(tiles), Some(tiling)) => tiles.lower(self, tiling.block, l),
            _ => self.lower_steps(l),
        }
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (phi, start) = (&inputs[1], inputs.get(2));
        let mut states = vec![inputs[0].clone()];
        for step in 0..self.steps {
            states.push(self.twin_step(&states[step], phi, start));
        }
        let energy = |v: &Array, n: usize| {
            let mut sum = 0.0;
            for h in 0..v.shape.h {
                for w in 0..v.shape.w {
                    for (d, y, x) in around(v.shape, h, w) {
                        let apart =
                            pixel(v, n, h, w).iter().zip(pixel(v, n, y, x)).map(|(a, b)| (a - b).powi(2));
                        sum += 0.25 * phi.at(n, h, w, d) * apart.sum::<f64>();
                    }
                }
            }
            sum
        };
        let last = states[self.steps].clone();
        let mut made = vec![last];
        if self.traced {
            let shape = Shape::new(inputs[0].shape.n, 1, 1, self.steps + 1);
            made.push(Array::from_fn(shape, |n, _, _, t| energy(&states[t], n)));
        }
        made
    }
}

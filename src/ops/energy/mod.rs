//! The descents of the energy-recurrency paper: states that fall down an energy step by step, and what they are made of.
//!
//! A descent is one operator of many steps. Its gradient goes back through the steps by one of three ways, [`Through`].

mod crf;
mod crf_kernel;
mod edge_mask;
mod entmax;
mod frangi;
mod hopfield;
mod kohonen;
mod laplacian;
mod neighbour_dots;
mod neighbours;
mod patches;
mod response;
pub(super) mod samples;
mod settle;
mod som;
mod som_energy;
mod som_grad;
mod trace;

pub use crf::Crf;
pub use crf_kernel::CrfKernel;
pub use edge_mask::EdgeMask;
pub use entmax::{Entmax, EntmaxKind};
pub use frangi::Frangi;
pub use hopfield::{Hopfield, Retrieval};
pub use kohonen::Kohonen;
pub use laplacian::Laplacian;
pub use neighbour_dots::NeighbourDots;
pub use neighbours::Neighbours;
pub use patches::Patches;
pub use response::Response;
pub use settle::Settle;
pub use som::{Rule, STEPS, Som, Tiles};
pub use som_energy::{SomEnergy, SomEnergyKind};
pub use som_grad::SomGrad;

use super::{Broadcast, add};
use crate::{
    Result,
    graph::{Array, Backward, Graph, Operator, Shape, Var},
};

/// How the gradient of a descent goes back through its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Through {
    /// Through all of them.
    #[default]
    Unrolled,
    /// Through so many of the last; the gradient by the state before them is handed to the first state as it is.
    Last(usize),
    /// Through the equilibrium, by the implicit function theorem: with so many terms of the series for the inverse of
    /// 1 - J, where J is the step's derivative by the state. The state must have come to rest.
    Implicit(usize),
}

/// Gradients of one step: by the state before it, and by other inputs with their numbers.
struct Pulled {
    state: Var,
    others: Vec<(usize, Var)>,
}

/// A descent as its gradient sees it. Input 0 is the first state.
trait Steps: Operator + Copy {
    /// How many steps are taken.
    fn steps(&self) -> usize;

    /// The same descent of so many steps, without a trace.
    fn of_steps(self, steps: usize) -> Self;

    /// Adds so many of its steps to `graph`, from `state`.
    fn take(&self, graph: &mut Graph, steps: usize, state: Var, inputs: &[Var]) -> Result<Var> {
        let mut inputs = inputs.to_vec();
        inputs[0] = state;
        graph.apply(self.of_steps(steps), &inputs)
    }

    /// Adds the gradient of one step, by the state alone or, where `all`, by the other inputs too.
    fn pull(&self, b: &mut Backward<'_>, state: Var, dy: Var, all: bool) -> Result<Pulled>;

    /// The gradient of all steps.
    fn differentiate(&self, b: &mut Backward<'_>, how: Through) -> Result<()> {
        let Some(dy) = b.dy() else { return Ok(()) };
        let inputs = b.node.inputs.clone();
        let mut sums = Sums(vec![None; inputs.len()]);
        if let Through::Implicit(terms) = how {
            let rest = b.output(0);
            let mut pull = dy;
            for _ in 0..terms {
                let back = self.pull(b, rest, pull, false)?.state;
                pull = add(b.graph, dy, back)?;
            }
            for (slot, gradient) in self.pull(b, rest, pull, true)?.others {
                sums.add(b, slot, gradient)?;
            }
            return sums.give(b);
        }
        let followed = match how {
            Through::Last(last) => last.min(self.steps()),
            _ => self.steps(),
        };
        let skipped = self.steps() - followed;
        let mut state =
            if skipped > 0 { self.take(b.graph, skipped, inputs[0], &inputs)? } else { inputs[0] };
        let mut states = vec![state];
        for _ in 1..followed {
            state = self.take(b.graph, 1, state, &inputs)?;
            states.push(state);
        }
        let mut pull = dy;
        for state in states.into_iter().rev() {
            let pulled = self.pull(b, state, pull, true)?;
            for (slot, gradient) in pulled.others {
                sums.add(b, slot, gradient)?;
            }
            pull = pulled.state;
        }
        sums.add(b, 0, pull)?;
        sums.give(b)
    }
}

/// Gradients by input, summed over steps.
struct Sums(Vec<Option<Var>>);

impl Sums {
    fn add(&mut self, b: &mut Backward<'_>, slot: usize, gradient: Var) -> Result<()> {
        let sum = match self.0[slot] {
            Some(other) => add(b.graph, other, gradient)?,
            None => gradient,
        };
        self.0[slot] = Some(sum);
        Ok(())
    }

    fn give(self, b: &mut Backward<'_>) -> Result<()> {
        for (slot, sum) in self.0.into_iter().enumerate() {
            if let Some(gradient) = sum.filter(|_| b.wants(slot)) {
                b.give(slot, gradient);
            }
        }
        Ok(())
    }
}

/// Outputs of a descent of `v`: the state and, where `traced`, the energies before and after each step.
fn outputs(v: Shape, steps: usize, traced: bool) -> Vec<Shape> {
    let energies = traced.then(|| Shape::new(v.n, 1, 1, steps + 1));
    std::iter::once(v).chain(energies).collect()
}

/// Whether the inputs that are left are the anchor of `v`, where there is one.
fn anchors(left: &[Shape], v: Shape, anchor: f32) -> bool {
    left.len() == usize::from(anchor > 0.0) && left.iter().all(|s| *s == v)
}

/// `scale * v`.
fn scaled(graph: &mut Graph, v: Var, scale: f32) -> Result<Var> {
    let to = graph.shape(v);
    graph.apply(Broadcast { to, scale }, &[v])
}

/// For twins: the neighbours of a pixel that exist, in the order up, down, left, right, which is also their channel in masks.
fn around(s: Shape, y: usize, x: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let places = [
        (y > 0).then(|| (y - 1, x)),
        (y + 1 < s.h).then_some((y + 1, x)),
        (x > 0).then(|| (y, x - 1)),
        (x + 1 < s.w).then_some((y, x + 1)),
    ];
    places.into_iter().enumerate().filter_map(|(d, place)| place.map(|(y, x)| (d, y, x)))
}

/// For twins: the channel of a mask by which a neighbour in direction `d` looks back.
const fn opposite(d: usize) -> usize {
    d ^ 1
}

/// For twins: the channels of a pixel.
fn pixel(a: &Array, n: usize, y: usize, x: usize) -> &[f64] {
    let first = a.index(n, y, x, 0);
    &a.data[first..first + a.shape.c]
}

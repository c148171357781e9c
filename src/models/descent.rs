//! Energy descents as parts of a network (Calhas, Marques and Oliveira 2024, sections 2 and 3).

use crate::{
    Error, Result,
    graph::{Graph, Init, Layout, Node, Shape, Var},
    nn::Net,
    ops::{
        Blur, Broadcast, Conv2d, Geometry, Keep, Pool, Reduce, Slice,
        energy::{
            Crf, CrfKernel, EdgeMask, Frangi, Hopfield, Laplacian, Patches, Retrieval, Rule, Settle, Som,
            SomEnergy, SomEnergyKind, Through,
        },
    },
};

/// Scope of what belongs to a descent.
const SCOPE: &str = "descent";

/// Which energy beliefs descend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Energy {
    /// Self-organising map.
    Som,
    /// Conditional random field.
    Crf,
    /// Hopfield network over patches.
    Hopfield,
    /// A step of the self-organising map and one of the Hopfield network in turn: future work of the paper.
    Hybrid,
    /// The mean of the three descents from the same beliefs: future work of the paper.
    Ensemble,
}

/// The filter of the component graph (eq 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeFilter {
    /// Laplacian.
    Laplacian,
    /// Vesselness by the Hessian (Frangi et al. 1998).
    Hessian,
    /// A 3x3 convolution that is learnt; the mask is soft.
    Learned,
}

/// A descent of the belief map, or of a decoder's features.
#[derive(Clone, Debug, PartialEq)]
pub struct Descent {
    /// Which energy.
    pub energy: Energy,
    /// 0: the logits descend; k: what the decoder makes at level k, from 1 at the picture's size.
    pub level: usize,
    /// Steps T; with 0 nothing changes.
    pub steps: usize,
    /// Step size alpha.
    pub rate: f32,
    /// How the gradient goes back through the steps.
    pub through: Through,
    /// Share of the way back to the first beliefs in each step.
    pub anchor: f32,
    /// In evaluation, a picture is left as it is when its energy changes by less than this share in a stretch of steps; 0:
    /// all steps are taken.
    pub tolerance: f32,
    /// Steps of such a stretch.
    pub stretch: usize,
    /// Self-organising map: how neighbours are weighed.
    pub rule: Rule,
    /// Self-organising map: filter of the component graph.
    pub filter: EdgeFilter,
    /// Self-organising map: largest difference of the filtered picture along a whole edge.
    pub threshold: f32,
    /// Self-organising map: softness of the mask.
    pub softness: f32,
    /// Self-organising map: deviation of the Gaussian before the filter, pixels; 0: none.
    pub smoothing: f32,
    /// Random field: bandwidth of the likeness of pixels.
    pub bandwidth: f32,
    /// Random field: likeness sums to 1 over the neighbours.
    pub neighbour_norm: bool,
    /// Random field: compatibility of each label with each; else one number.
    pub matrix: bool,
    /// Random field: each step is divided by 1 + rate.
    pub normalised: bool,
    /// Hopfield: side of a patch, pixels.
    pub patch: usize,
    /// Hopfield: how many memories.
    pub memories: usize,
    /// Hopfield: inverse temperature.
    pub beta: f32,
    /// Hopfield: how likenesses become weights.
    pub retrieval: Retrieval,
}

impl Descent {
    /// Five steps of 0.1 of an energy on the logits.
    pub const fn new(energy: Energy) -> Self {
        Self {
            energy,
            level: 0,
            steps: 5,
            rate: 0.1,
            through: Through::Unrolled,
            anchor: 0.0,
            tolerance: 0.0,
            stretch: 10,
            rule: Rule::Equilibrium { include_self: false },
            filter: EdgeFilter::Laplacian,
            threshold: 0.1,
            softness: 0.0,
            smoothing: 0.0,
            bandwidth: 1.0,
            neighbour_norm: true,
            matrix: true,
            normalised: false,
            patch: 4,
            memories: 64,
            beta: 1.0,
            retrieval: Retrieval::Softmax,
        }
    }

    /// Adds the descent of `state` to the graph; `picture` is what the network sees, of the state's size times a whole number.
    /// Parameters are `descent.compatibility`, `descent.memories` and `descent.filter.weight`.
    ///
    /// # Errors
    /// [`Error::Shape`] if patches do not divide the map, or as the operators.
    pub fn apply(&self, net: &mut Net<'_>, picture: Var, state: Var) -> Result<Var> {
        net.scoped(SCOPE, |net| {
            let fields = Fields::new(self, net, picture, state)?;
            if self.steps == 0 {
                return Ok(state);
            }
            match self.energy {
                Energy::Som | Energy::Crf | Energy::Hopfield if self.tolerance > 0.0 && !net.train => {
                    self.until_settled(net, &fields, state)
                }
                Energy::Som | Energy::Crf | Energy::Hopfield => {
                    Ok(self.descend(net, &fields, self.energy, state, self.steps, false)?.0)
                }
                Energy::Hybrid => {
                    let mut state = state;
                    for _ in 0..self.steps {
                        state = self.descend(net, &fields, Energy::Som, state, 1, false)?.0;
                        state = self.descend(net, &fields, Energy::Hopfield, state, 1, false)?.0;
                    }
                    Ok(state)
                }
                Energy::Ensemble => {
                    let mut sum = None;
                    for energy in [Energy::Som, Energy::Crf, Energy::Hopfield] {
                        let one = self.descend(net, &fields, energy, state, self.steps, false)?.0;
                        sum = Some(match sum {
                            Some(sum) => net.add(sum, one)?,
                            None => one,
                        });
                    }
                    let to = net.graph.shape(state);
                    let sum = sum.unwrap_or(state);
                    net.graph.apply(Broadcast { to, scale: 1.0 / 3.0 }, &[sum])
                }
            }
        })
    }

    /// What the last node of a descent in `graph` makes: its state after all steps.
    pub fn last(graph: &Graph) -> Option<Var> {
        let of_descent = |node: &&Node| node.scope.split('.').next_back() == Some(SCOPE);
        graph.nodes.iter().rfind(of_descent).map(|node| node.outputs[0])
    }

    /// Steps of one of the three energies: the state after them and, where `traced`, the energies.
    fn descend(
        &self,
        net: &mut Net<'_>,
        fields: &Fields,
        energy: Energy,
        state: Var,
        steps: usize,
        traced: bool,
    ) -> Result<(Var, Option<Var>)> {
        let (rate, anchor, through) = (self.rate, self.anchor, self.through);
        let anchors = |var: Var| (anchor > 0.0).then_some(var);
        let missing = || Error::shape("descent", "a part of the energy was not built");
        let graph = &mut *net.graph;
        match energy {
            Energy::Crf => {
                let (likeness, compatibility) = fields.crf.ok_or_else(missing)?;
                let op = Crf { rate, steps, normalised: self.normalised, anchor, through, traced };
                let mut inputs = vec![state, likeness, compatibility];
                inputs.extend(anchors(fields.start));
                let made = graph.apply_all(op, &inputs)?;
                Ok((made[0], made.get(1).copied()))
            }
            Energy::Hopfield => {
                let (memories, start) = fields.hopfield.ok_or_else(missing)?;
                let (retrieval, beta) = (self.retrieval, self.beta);
                let op = Hopfield { retrieval, rate, beta, steps, anchor, through, traced };
                let mut inputs = vec![graph.apply(Patches::cut(self.patch), &[state])?, memories];
                inputs.extend(anchors(start));
                let made = graph.apply_all(op, &inputs)?;
                let joined = graph.apply(Patches::join(self.patch), &[made[0]])?;
                Ok((joined, made.get(1).copied()))
            }
            _ => {
                let edges = fields.edges.ok_or_else(missing)?;
                let op = Som { rule: self.rule, rate, steps, anchor, through, traced };
                let mut inputs = vec![state, edges];
                inputs.extend(anchors(fields.start));
                let made = graph.apply_all(op, &inputs)?;
                Ok((made[0], made.get(1).copied()))
            }
        }
    }

    /// Adds one step from `state` to the graph, and the energies that `state` has; `start` is what the anchor pulls back to, and
    /// `picture` and the parameters are as of [`Self::apply`].
    ///
    /// # Errors
    /// As [`Self::apply`]; [`Error::Shape`] for an ensemble, which has three states at a time.
    pub fn step(&self, net: &mut Net<'_>, picture: Var, start: Var, state: Var) -> Result<Step> {
        net.scoped("descent", |net| {
            let fields = Fields::new(self, net, picture, start)?;
            let edges = fields.edges;
            let one = |net: &mut Net<'_>, energy, state| self.descend(net, &fields, energy, state, 1, true);
            let (next, energies) = match self.energy {
                Energy::Ensemble => {
                    return Err(Error::shape("descent", "an ensemble has three states, and no step of one"));
                }
                Energy::Hybrid => {
                    let (between, som) = one(net, Energy::Som, state)?;
                    // Once for the energy of the state, and once for the step from where that of the map ends.
                    let hopfield = one(net, Energy::Hopfield, state)?.1;
                    (one(net, Energy::Hopfield, between)?.0, vec![("som", som), ("hopfield", hopfield)])
                }
                energy => {
                    let (next, told) = one(net, energy, state)?;
                    let mut energies = vec![("energy", told)];
                    if energy == Energy::Som {
                        energies.push(("pairs", Some(pairs(net, state)?)));
                    }
                    (next, energies)
                }
            };
            let energies = energies.into_iter().filter_map(|(name, var)| Some((name, var?))).collect();
            Ok(Step { next, energies, edges })
        })
    }

    /// Stretches of steps, after each of which the pictures whose energy has come to rest are left as they are.
    fn until_settled(&self, net: &mut Net<'_>, fields: &Fields, state: Var) -> Result<Var> {
        let pictures = net.graph.shape(state).n;
        let one = Shape::new(pictures, 1, 1, 1);
        let mut moving = net.graph.constant("moving", one, vec![1.0; pictures])?;
        let mut state = state;
        for first in (0..self.steps).step_by(self.stretch.max(1)) {
            let steps = self.stretch.max(1).min(self.steps - first);
            let (next, energies) = self.descend(net, fields, self.energy, state, steps, true)?;
            let Some(energies) = energies else { return Ok(next) };
            let before = net.graph.apply(Slice::new(0..1), &[energies])?;
            let after = net.graph.apply(Slice::new(steps..steps + 1), &[energies])?;
            let op = Settle { tolerance: self.tolerance };
            let made = net.graph.apply_all(op, &[state, next, before, after, moving])?;
            (state, moving) = (made[0], made[1]);
        }
        Ok(state)
    }
}

/// One step of a descent in a graph, with what it is judged by.
#[derive(Clone, Debug)]
pub struct Step {
    /// The beliefs after it, `[N, H, W, L]`.
    pub next: Var,
    /// Each energy's name and its value for the beliefs before the step, the first of the numbers, of one picture. Of the
    /// self-organising map `energy` is that of edges, which it descends, and `pairs` that of eq 7, which knows no mask.
    pub energies: Vec<(&'static str, Var)>,
    /// The mask phi of the component graph, `[N, H, W, 4]`, where the energy has one.
    pub edges: Option<Var>,
}

/// What an energy is made of beside the beliefs.
struct Fields {
    start: Var,
    edges: Option<Var>,
    /// Likeness and compatibility.
    crf: Option<(Var, Var)>,
    /// Memories, and the first beliefs as patches.
    hopfield: Option<(Var, Var)>,
}

impl Fields {
    fn new(d: &Descent, net: &mut Net<'_>, picture: Var, state: Var) -> Result<Self> {
        let picture = sized_as(net, picture, state)?;
        let uses = |energies: &[Energy]| energies.contains(&d.energy);
        let edges = uses(&[Energy::Som, Energy::Hybrid, Energy::Ensemble]);
        let crf = uses(&[Energy::Crf, Energy::Ensemble]);
        let hopfield = uses(&[Energy::Hopfield, Energy::Hybrid, Energy::Ensemble]);
        Ok(Self {
            start: state,
            edges: edges.then(|| component_graph(d, net, picture)).transpose()?,
            crf: crf.then(|| random_field(d, net, picture, state)).transpose()?,
            hopfield: hopfield.then(|| memories(d, net, state)).transpose()?,
        })
    }
}

/// The picture as means over squares, so that it has the size of `state`.
fn sized_as(net: &mut Net<'_>, picture: Var, state: Var) -> Result<Var> {
    let (p, s) = (net.graph.shape(picture), net.graph.shape(state));
    let by = p.h / s.h.max(1);
    if by == 0 || [by * s.h, by * s.w] != [p.h, p.w] {
        return Err(Error::shape("descent", format!("beliefs {s} do not divide the picture {p}")));
    }
    if by == 1 { Ok(picture) } else { net.graph.apply(Pool::average(by, by, 0), &[picture]) }
}

/// The mask phi of eq 8.
fn component_graph(d: &Descent, net: &mut Net<'_>, picture: Var) -> Result<Var> {
    let mut seen = picture;
    if d.smoothing > 0.0 {
        for across in [true, false] {
            let blur = Blur { sigma: d.smoothing, across, scale: 1.0, each: false };
            seen = net.graph.apply(blur, &[seen])?;
        }
    }
    let filtered = match d.filter {
        EdgeFilter::Laplacian => net.graph.apply(Laplacian, &[seen])?,
        EdgeFilter::Hessian => net.graph.apply(Frangi, &[seen])?,
        EdgeFilter::Learned => {
            let channels = net.graph.shape(seen).c;
            let layout = Layout::Conv { out: 1, sources: vec![channels], kernel: [3; 2] };
            let init = Init::Uniform(1.0 / (9.0 * channels as f32).sqrt());
            let weight = net.graph.param("filter.weight", layout, init);
            net.graph.apply(Conv2d::new(Geometry::square(3, 1, 1)), &[seen, weight])?
        }
    };
    net.graph.apply(EdgeMask::new(d.threshold, d.softness), &[filtered])
}

/// The energy of eq 7, over all pictures.
fn pairs(net: &mut Net<'_>, state: Var) -> Result<Var> {
    let by_pixel = net.graph.apply(SomEnergy::new(SomEnergyKind::Pairs), &[state])?;
    net.graph.apply(Reduce::sum(Keep::Nothing), &[by_pixel])
}

/// Likeness of neighbours, and the compatibility of labels, which begins as that of each with itself alone.
fn random_field(d: &Descent, net: &mut Net<'_>, picture: Var, state: Var) -> Result<(Var, Var)> {
    let likeness = net.graph.apply(CrfKernel::new(d.bandwidth, d.neighbour_norm), &[picture])?;
    let labels = net.graph.shape(state).c;
    let (layout, init) = match d.matrix {
        true => (Layout::Matrix { rows: labels, cols: labels }, Init::Identity),
        false => (Layout::Tensor(Shape::SCALAR), Init::Constant(1.0)),
    };
    Ok((likeness, net.graph.param("compatibility", layout, init)))
}

fn memories(d: &Descent, net: &mut Net<'_>, state: Var) -> Result<(Var, Var)> {
    let start = net.graph.apply(Patches::cut(d.patch), &[state])?;
    let size = net.graph.shape(start).c;
    let layout = Layout::Matrix { rows: d.memories, cols: size };
    let init = Init::Normal(1.0 / (size as f32).sqrt());
    Ok((net.graph.param("memories", layout, init), start))
}

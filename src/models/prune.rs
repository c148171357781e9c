//! Pruning: the smallest weights set to zero (Han et al. 2015), or whole channels cut out, which leaves a narrower dense
//! network. Channels are judged by the L1 norm of the filters that make them (Li et al. 2017) or by their scale in batch
//! norm (Liu et al. 2017). Which of them must go together (those that are added, that pass a depthwise convolution, or that
//! a recurrent unit feeds back) is read off the graph.

use std::collections::{BTreeMap, HashMap};

use super::Model;
use crate::{
    Error, Result,
    graph::{Exported, Graph, Layout, Node, ParamInfo, Role, Shape, Var},
    ops::{
        Activation, BatchNorm, Binary, Blur, Broadcast, Concat, Conv2d, ConvTranspose2d, Linear, Median,
        Pool, Reduce, Resize, Slice,
    },
};

/// By what channels are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// The sum of the magnitudes of a filter's weights.
    L1,
    /// The magnitude of the scale in batch norm; channels that none follows, by L1.
    BatchNorm,
}

/// Sets the `share` of the weights with the least magnitudes to zero, of all layers together or, where `by_layer`, of each by
/// itself. Vectors (biases, norms) stay. Returns the share of the weights that are zero now.
///
/// # Errors
/// [`Error::Config`] if the share is not between 0 and 1.
pub fn magnitude(weights: &mut [Exported], share: f64, by_layer: bool) -> Result<f64> {
    if !(0.0..1.0).contains(&share) {
        return Err(Error::Config(format!(
            "the share of weights must be at least 0 and below 1, got {share}"
        )));
    }
    let mut layers: Vec<&mut Vec<f32>> =
        weights.iter_mut().filter(|(_, shape, _)| shape.len() > 1).map(|(.., data)| data).collect();
    if by_layer {
        layers.iter_mut().for_each(|layer| clear_smallest(layer.iter_mut().collect(), share));
    } else {
        clear_smallest(layers.iter_mut().flat_map(|layer| layer.iter_mut()).collect(), share);
    }
    let (all, zeros) = layers
        .iter()
        .flat_map(|layer| layer.iter())
        .fold((0usize, 0usize), |(all, zeros), v| (all + 1, zeros + usize::from(*v == 0.0)));
    Ok(zeros as f64 / all.max(1) as f64)
}

fn clear_smallest(mut all: Vec<&mut f32>, share: f64) {
    let count = (share * all.len() as f64).round() as usize;
    if count > 0 {
        all.select_nth_unstable_by(count - 1, |a, b| a.abs().total_cmp(&b.abs()));
        all[..count].iter_mut().for_each(|v| **v = 0.0);
    }
}

/// A model with other `widths`, whose weights are those of the channels of `model` that count most.
///
/// # Errors
/// [`Error::Config`] if the widths are not as many as the model's, or larger, or leave the network another shape;
/// [`Error::Shape`] for an operator that says nothing of what it does to channels, and where channels that are tied
/// cannot be cut as the widths ask for.
pub fn narrowed(
    model: &Model,
    widths: Vec<usize>,
    weights: &[Exported],
    by: Importance,
) -> Result<(Model, Vec<Exported>)> {
    if widths.len() != model.widths.len()
        || widths.iter().zip(&model.widths).any(|(new, old)| new > old || *new == 0)
    {
        return Err(Error::Config(format!(
            "widths {widths:?} are no narrower form of the model's {:?}; give as many, none of them larger or 0",
            model.widths
        )));
    }
    let narrow = Model { widths, ..model.clone() };
    let (old, new) = (built(model)?, built(&narrow)?);
    let alike = |(a, b): (&Node, &Node)| a.op.name() == b.op.name() && a.inputs == b.inputs;
    if old.nodes.len() != new.nodes.len() || !old.nodes.iter().zip(&new.nodes).all(alike) {
        let name = model.network.name();
        return Err(Error::Config(format!("{name} of widths {:?} is built in another way", narrow.widths)));
    }
    let known: HashMap<&str, &Vec<f32>> =
        weights.iter().map(|(name, _, data)| (name.as_str(), data)).collect();
    let mut ties = Ties::of(&old)?;
    let kept = ties.choose(&old, &new, &known, by)?;
    let cut = |(from, to): (&ParamInfo, &ParamInfo)| {
        let shape = from.layout.torch_shape();
        let data = known.get(from.name.as_str()).filter(|data| data.len() == from.layout.count());
        let data = data.ok_or_else(|| Error::Check(format!("the weights lack {}", from.name)))?;
        let axes: Vec<Vec<usize>> =
            (0..shape.len()).map(|axis| ties.kept_of(from.value, axis, shape[axis], &kept)).collect();
        let made: Vec<usize> = axes.iter().map(Vec::len).collect();
        if made != to.layout.torch_shape() {
            let want = to.layout.torch_shape();
            return Err(Error::shape(
                from.name.clone(),
                format!("would be cut to {made:?}, and the widths want {want:?}"),
            ));
        }
        Ok((from.name.clone(), made, sliced(data, &shape, &axes)))
    };
    let weights = old.params.iter().zip(&new.params).map(cut).collect::<Result<Vec<_>>>()?;
    Ok((narrow, weights))
}

/// The graph in evaluation, at the least size, unfused.
fn built(model: &Model) -> Result<Graph> {
    let mut graph = Graph::new();
    let side = model.multiple();
    let x = graph.input("picture", Shape::new(1, side, side, model.in_channels));
    let y = model.build(&mut graph, x, false)?;
    graph.output(y);
    Ok(graph)
}

/// Those numbers of a tensor whose places along each axis are listed.
fn sliced(data: &[f32], shape: &[usize], axes: &[Vec<usize>]) -> Vec<f32> {
    let mut starts = vec![0];
    for (size, axis) in shape.iter().zip(axes) {
        starts = starts.iter().flat_map(|start| axis.iter().map(move |i| start * size + i)).collect();
    }
    starts.into_iter().map(|i| data[i]).collect()
}

/// Channels of tensors, and of the axes of weights, in classes of those that must be kept or cut together.
struct Ties {
    /// First element of a tensor's channels, or of an axis (in PyTorch's order) of a parameter.
    first: HashMap<(Var, usize), usize>,
    parent: Vec<usize>,
}

impl Ties {
    fn of(graph: &Graph) -> Result<Self> {
        let mut ties = Self { first: HashMap::new(), parent: Vec::new() };
        for (i, info) in graph.vars.iter().enumerate() {
            match info.role {
                Role::Param(p) | Role::State(p) => {
                    for (axis, size) in graph.params[p].layout.torch_shape().into_iter().enumerate().take(2) {
                        ties.add(Var(i), axis, size);
                    }
                }
                _ => ties.add(Var(i), 0, info.shape.c),
            }
        }
        graph.nodes.iter().try_for_each(|node| ties.tie(graph, node))?;
        Ok(ties)
    }

    fn add(&mut self, var: Var, axis: usize, size: usize) {
        self.first.insert((var, axis), self.parent.len());
        self.parent.extend(self.parent.len()..self.parent.len() + size);
    }

    fn root(&mut self, mut element: usize) -> usize {
        while self.parent[element] != element {
            self.parent[element] = self.parent[self.parent[element]];
            element = self.parent[element];
        }
        element
    }

    /// Ties `count` places, from `at` on, of one tensor or axis to those of another.
    fn join(
        &mut self,
        (a, axis_a, at_a): (Var, usize, usize),
        (b, axis_b, at_b): (Var, usize, usize),
        count: usize,
    ) {
        let (a, b) = (self.first[&(a, axis_a)] + at_a, self.first[&(b, axis_b)] + at_b);
        for i in 0..count {
            let (a, b) = (self.root(a + i), self.root(b + i));
            self.parent[a.max(b)] = a.min(b);
        }
    }

    fn tie(&mut self, graph: &Graph, node: &Node) -> Result<()> {
        let c = |v: Var| graph.shape(v).c;
        let (inputs, y) = (&node.inputs, node.outputs[0]);
        let op = &*node.op;
        if let Some(conv) = op.is::<Conv2d>() {
            let (bias, _, _) = conv.slots();
            let weight = inputs[conv.sources];
            if conv.geometry.groups == 1 {
                let mut at = 0;
                for source in &inputs[..conv.sources] {
                    self.join((*source, 0, 0), (weight, 1, at), c(*source));
                    at += c(*source);
                }
            } else if conv.geometry.depthwise(c(inputs[0]), c(y)) {
                self.join((inputs[0], 0, 0), (y, 0, 0), c(y));
            } else {
                return Err(refuse(node, "sees its channels in groups, which cannot be cut"));
            }
            self.join((weight, 0, 0), (y, 0, 0), c(y));
            if conv.bias {
                self.join((inputs[bias], 0, 0), (y, 0, 0), c(y));
            }
        } else if let Some(conv) = op.is::<ConvTranspose2d>() {
            if conv.geometry.groups > 1 {
                return Err(refuse(node, "sees its channels in groups, which cannot be cut"));
            }
            self.join((inputs[0], 0, 0), (inputs[1], 0, 0), c(inputs[0]));
            self.join((inputs[1], 1, 0), (y, 0, 0), c(y));
            if conv.bias {
                self.join((inputs[2], 0, 0), (y, 0, 0), c(y));
            }
        } else if let Some(linear) = op.is::<Linear>() {
            self.join((inputs[0], 0, 0), (inputs[1], 1, 0), c(inputs[0]));
            self.join((inputs[1], 0, 0), (y, 0, 0), c(y));
            if linear.bias {
                self.join((inputs[2], 0, 0), (y, 0, 0), c(y));
            }
        } else if op.is::<Concat>().is_some() {
            let mut at = 0;
            for source in inputs {
                self.join((*source, 0, 0), (y, 0, at), c(*source));
                at += c(*source);
            }
        } else if let Some(slice) = op.is::<Slice>() {
            self.join((inputs[0], 0, slice.range.start), (y, 0, 0), c(y));
        } else if by_channel(node) {
            // What has one channel and is spread over all, or sums up all, is tied to none.
            for input in inputs.iter().filter(|v| c(**v) == c(y)) {
                self.join((*input, 0, 0), (y, 0, 0), c(y));
            }
        } else {
            return Err(refuse(node, "says nothing of its channels, so that none can be cut"));
        }
        Ok(())
    }

    /// The classes that are kept: in each tensor as many channels as the narrower graph has, those that count most first.
    fn choose(
        &mut self,
        old: &Graph,
        new: &Graph,
        weights: &HashMap<&str, &Vec<f32>>,
        by: Importance,
    ) -> Result<BTreeMap<usize, bool>> {
        let scores = self.scores(old, weights, by)?;
        let mut kept: BTreeMap<usize, bool> = BTreeMap::new();
        let values = (0..old.vars.len())
            .map(Var)
            .filter(|v| !matches!(old.vars[v.index()].role, Role::Param(_) | Role::State(_)));
        for var in values {
            let (size, want) = (old.shape(var).c, new.shape(var).c);
            let mut classes: BTreeMap<usize, usize> = BTreeMap::new();
            for root in self.roots(var, 0, size) {
                *classes.entry(root).or_default() += 1;
            }
            let mut have: usize =
                classes.iter().filter(|(r, _)| kept.get(r) == Some(&true)).map(|(_, n)| n).sum();
            let mut open: Vec<(usize, usize)> =
                classes.into_iter().filter(|(r, _)| !kept.contains_key(r)).collect();
            let score = |root: &usize| scores.get(root).copied().unwrap_or(0.0);
            // Of equal ones the first.
            open.sort_by(|(a, _), (b, _)| score(b).total_cmp(&score(a)));
            for (root, count) in open {
                let takes = have + count <= want;
                have += if takes { count } else { 0 };
                kept.insert(root, takes);
            }
            if have != want {
                let name = &old.vars[var.index()].name;
                let message = format!(
                    "{have} of {size} channels can be kept together with others, and the widths want {want}"
                );
                return Err(Error::shape(name.clone(), message));
            }
        }
        Ok(kept)
    }

    /// How much each class counts; by batch norm, those that none follows by their filters.
    fn scores(
        &mut self,
        graph: &Graph,
        weights: &HashMap<&str, &Vec<f32>>,
        by: Importance,
    ) -> Result<HashMap<usize, f64>> {
        let norms: Vec<Var> =
            graph.nodes.iter().filter(|n| n.op.is::<BatchNorm>().is_some()).map(|n| n.inputs[1]).collect();
        let filters = self.magnitudes(graph, weights, |param| match param.layout {
            Layout::ConvTranspose { .. } => Some(1),
            Layout::Conv { .. } | Layout::Grouped { .. } | Layout::Linear { .. } => Some(0),
            _ => None,
        });
        match by {
            Importance::L1 => Ok(filters),
            Importance::BatchNorm if norms.is_empty() => {
                let message = "the network has no batch norm to judge channels by; judge them by l1";
                Err(Error::Config(message.into()))
            }
            Importance::BatchNorm => {
                let scales =
                    self.magnitudes(graph, weights, |param| norms.contains(&param.value).then_some(0));
                Ok(filters.into_iter().chain(scales).collect())
            }
        }
    }

    /// Sums of magnitudes along the axis of those parameters that have one here. Every parameter has the same say: its
    /// mean is 1.
    fn magnitudes(
        &mut self,
        graph: &Graph,
        weights: &HashMap<&str, &Vec<f32>>,
        axis: impl Fn(&ParamInfo) -> Option<usize>,
    ) -> HashMap<usize, f64> {
        let mut all: HashMap<usize, f64> = HashMap::new();
        for param in &graph.params {
            let (Some(axis), Some(data)) = (axis(param), weights.get(param.name.as_str())) else { continue };
            let shape = param.layout.torch_shape();
            let inner: usize = shape[axis + 1..].iter().product();
            let mut sums = vec![0.0; shape[axis]];
            for (i, v) in data.iter().enumerate() {
                sums[i / inner % shape[axis]] += f64::from(v.abs());
            }
            let mean = sums.iter().sum::<f64>() / sums.len().max(1) as f64;
            for (root, sum) in self.roots(param.value, axis, shape[axis]).into_iter().zip(sums) {
                *all.entry(root).or_default() += if mean > 0.0 { sum / mean } else { 1.0 };
            }
        }
        all
    }

    fn roots(&mut self, var: Var, axis: usize, size: usize) -> Vec<usize> {
        let first = self.first[&(var, axis)];
        (first..first + size).map(|element| self.root(element)).collect()
    }

    /// Places along an axis of a parameter that are kept; kernels are kept whole, and so is what no tensor is tied to.
    fn kept_of(&mut self, var: Var, axis: usize, size: usize, kept: &BTreeMap<usize, bool>) -> Vec<usize> {
        if axis > 1 {
            return (0..size).collect();
        }
        let roots = self.roots(var, axis, size);
        (0..size).filter(|i| kept.get(&roots[*i]).copied().unwrap_or(true)).collect()
    }
}

/// Whether a channel of the output depends on the same channel of the inputs alone.
fn by_channel(node: &Node) -> bool {
    let op = &*node.op;
    op.is::<BatchNorm>().is_some()
        || op.is::<Activation>().is_some()
        || op.is::<Binary>().is_some()
        || op.is::<Broadcast>().is_some()
        || op.is::<Pool>().is_some()
        || op.is::<Reduce>().is_some()
        || op.is::<Resize>().is_some()
        || op.is::<Blur>().is_some()
        || op.is::<Median>().is_some()
}

fn refuse(node: &Node, why: &str) -> Error {
    Error::shape(node.op.name(), format!("{why} (in {})", node.scope))
}

//! Post-training quantization: a trained model whose convolutions are computed in integers of eight bits (Jacob et al.
//! 2018; Krishnamoorthi 2018). Weights are symmetric, with a scale for each output channel; what a convolution sees has
//! one range for each tensor, calibrated on pictures. Batch norm goes into scale and shift, whose integers do not
//! depend on it, so that the steps of a recurrent unit go on sharing their weight.
//!
//! Dense and depthwise convolutions are quantized; transposed and grouped ones, and all else, stay in f32.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::predictor;
use crate::{
    Error, Result,
    graph::{Exported, Graph, Init, Layout, Node, Plan, Session, Shape, Var, Weights},
    models::Model,
    ops::{Conv2d, Conv2dInt8, FixedNorm, Int8, Join, Quantize},
};

/// Which convolutions are computed in integers, and the range of what each of their sources holds. A convolution is
/// called as its weight is, without `.weight`; its second use `name#1` and so on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantization {
    /// By convolution, low and high of each source.
    pub ranges: BTreeMap<String, Vec<[f32; 2]>>,
}

/// A convolution that can be quantized.
struct Found {
    node: usize,
    name: String,
    /// Name of its parameter, without `.weight`.
    weight: String,
    layout: Layout,
}

/// A convolution with what its sources' integers stand for.
struct Target {
    found: Found,
    op: Conv2d,
    sources: Vec<Int8>,
}

impl Target {
    /// The name of the integers: one for all uses of a weight, but where several sources differ in scale, which the
    /// weight makes up for.
    fn integers(&self) -> String {
        let name = if self.sources.len() == 1 { &self.found.weight } else { &self.found.name };
        format!("{name}.int8")
    }
}

/// The convolutions of a fused graph that can be quantized.
fn find(graph: &Graph) -> Vec<Found> {
    let mut uses: HashMap<String, usize> = HashMap::new();
    let one = |(node, n): (usize, &Node)| {
        let op = n.op.is::<Conv2d>()?;
        let input = graph.shape(n.inputs[0]).c;
        let weight = *n.inputs.get(op.sources)?;
        let param = graph.params.iter().find(|p| p.value == weight)?;
        let g = &op.geometry;
        if g.groups != 1 && !g.depthwise(input, graph.shape(weight).c) {
            return None;
        }
        let weight = param.name.strip_suffix(".weight").unwrap_or(&param.name).to_owned();
        let use_ = uses.entry(weight.clone()).or_default();
        let name = if *use_ == 0 { weight.clone() } else { format!("{weight}#{use_}") };
        *use_ += 1;
        Some(Found { node, name, weight, layout: param.layout.clone() })
    };
    graph.nodes.iter().enumerate().filter_map(one).collect()
}

/// What the integers of a convolution's sources stand for. One that never held anything but zeros, as a memory at its beginning,
/// takes the scale of another: the weight brings all sources to one scale, where its part would else outweigh the rest.
fn scales(ranges: &[[f32; 2]]) -> Vec<Int8> {
    let is_told = |[low, high]: &&[f32; 2]| *low < 0.0 || *high > 0.0;
    let told = ranges.iter().find(is_told).map(|range| Int8::over(*range).scale);
    let of = |range: &[f32; 2]| match told.filter(|_| !is_told(&range)) {
        Some(scale) => Int8 { scale, zero: 0 },
        None => Int8::over(*range),
    };
    ranges.iter().map(of).collect()
}

impl Quantization {
    fn targets(&self, graph: &Graph) -> Result<Vec<Target>> {
        let found = find(graph);
        if let Some(name) = self.ranges.keys().find(|name| found.iter().all(|f| f.name != **name)) {
            return Err(Error::Check(format!(
                "the model has no convolution {name:?} that could be quantized"
            )));
        }
        let target = |found: Found| {
            let ranges = self.ranges.get(&found.name)?;
            let op = graph.nodes[found.node].op.is::<Conv2d>()?.clone();
            Some((found, op, scales(ranges)))
        };
        let check = |(found, op, sources): (Found, Conv2d, Vec<Int8>)| {
            if sources.len() != op.sources {
                let (name, got) = (&found.name, sources.len());
                return Err(Error::Check(format!(
                    "{name:?} sees {} tensors, and {got} have ranges",
                    op.sources
                )));
            }
            Ok(Target { found, op, sources })
        };
        found.into_iter().filter_map(target).map(check).collect()
    }

    /// A fused graph in evaluation with the convolutions that have ranges in integers. Its tensors keep their numbers;
    /// what was a parameter of such a convolution is gone, and `<name>.int8`, `<name>.scale` and `<name>.shift` are there.
    ///
    /// # Errors
    /// [`Error::Check`] if the ranges are another model's; [`Error::Shape`] if a convolution sums more than 32 bits hold.
    pub fn apply(&self, graph: &Graph) -> Result<Graph> {
        let mut targets: BTreeMap<usize, Target> =
            self.targets(graph)?.into_iter().map(|t| (t.found.node, t)).collect();
        let mut made = graph.clone();
        let mut known: HashMap<(Var, u32, i8), Var> = HashMap::new();
        for (i, node) in std::mem::take(&mut made.nodes).into_iter().enumerate() {
            let Some(target) = targets.remove(&i) else {
                made.nodes.push(node);
                continue;
            };
            let mut inputs = Vec::new();
            for (source, to) in node.inputs.iter().zip(&target.sources) {
                let key = (*source, to.scale.to_bits(), to.zero);
                let quantized = match known.get(&key) {
                    Some(quantized) => *quantized,
                    None => made.apply(Quantize { to: *to }, &[*source])?,
                };
                known.insert(key, quantized);
                inputs.push(quantized);
            }
            let (out, layout) = match target.found.layout.clone() {
                Layout::Conv { out, sources, kernel } => (out, Layout::Packed { out, sources, kernel }),
                grouped => (grouped.shape().c, grouped),
            };
            inputs.push(made.packed_state(&target.integers(), layout));
            for part in ["scale", "shift"] {
                let name = format!("{}.{part}", target.found.name);
                inputs.push(made.state(&name, Layout::Vector(out), Init::Constant(0.0)));
            }
            let Conv2d { norm, residual, act, geometry, .. } = target.op;
            let (_, first, last) = target.op.slots();
            let norm_after = norm.filter(|n| n.after).map(|n| n.eps);
            if norm_after.is_some() {
                inputs.extend(&node.inputs[first..last]);
            }
            if residual != Join::None {
                inputs.push(node.inputs[last]);
            }
            let zeros: Vec<i8> = target.sources.iter().map(|s| s.zero).collect();
            let op = Conv2dInt8 { norm_after, residual, act, ..Conv2dInt8::new(geometry, out, &zeros) };
            let y = made.apply(op, &inputs)?;
            // The rest of the graph reads what the convolution made before.
            if let Some(node_made) = made.nodes.last_mut() {
                node_made.outputs.clone_from(&node.outputs);
                node_made.scope = node.scope;
            }
            debug_assert_eq!(made.shape(y), made.shape(node.outputs[0]));
        }
        made.drop_unread();
        made.fuse();
        Ok(made)
    }

    /// The numbers of all parameters and kept buffers of [`Self::apply`]'s graph, from those of `graph`.
    ///
    /// # Errors
    /// As [`Self::apply`]; [`Error::Check`] where a parameter is missing.
    pub fn numbers(&self, graph: &Graph, weights: Vec<Exported>) -> Result<Vec<Exported>> {
        let known: HashMap<String, Vec<f32>> =
            weights.into_iter().map(|(name, _, data)| (name, data)).collect();
        let read = |var: Var| {
            let name = &graph.vars[var.index()].name;
            known.get(name).ok_or_else(|| Error::Check(format!("the weights lack {name:?}")))
        };
        let mut made: HashMap<String, Vec<f32>> = HashMap::new();
        for target in self.targets(graph)? {
            let inputs = &graph.nodes[target.found.node].inputs;
            let (bias, norm, _) = target.op.slots();
            let [out, per] = [0, 1].map(|i| target.found.layout.torch_shape()[i]);
            let bias = if target.op.bias { read(inputs[bias])?.clone() } else { vec![0.0; out] };
            let affine: Vec<[f64; 2]> = match target.op.norm {
                Some(FixedNorm { eps, after: false }) => {
                    let of = [0, 1, 2, 3].map(|i| read(inputs[norm + i]));
                    let [gamma, beta, mean, var] = of;
                    folded(&bias, [gamma?, beta?, mean?, var?], eps)
                }
                _ => bias.iter().map(|b| [1.0, f64::from(*b)]).collect(),
            };
            let channels: Vec<Int8> = match target.sources[..] {
                [only] => vec![only; per],
                _ => {
                    let each = inputs.iter().zip(&target.sources);
                    each.flat_map(|(v, int8)| vec![*int8; graph.shape(*v).c]).collect()
                }
            };
            let packed = integers(read(inputs[target.op.sources])?, &channels, &affine);
            made.insert(target.integers(), packed.weight);
            made.insert(format!("{}.scale", target.found.name), packed.scale);
            made.insert(format!("{}.shift", target.found.name), packed.shift);
        }
        let each = self.apply(graph)?.params.into_iter().map(|param| {
            let data = made.remove(&param.name).or_else(|| known.get(&param.name).cloned());
            let data = data.ok_or_else(|| Error::Check(format!("the weights lack {:?}", param.name)))?;
            Ok((param.name, param.layout.torch_shape(), data))
        });
        each.collect()
    }
}

/// Scale and shift of a batch norm by fixed statistics, after a bias.
fn folded(bias: &[f32], [gamma, beta, mean, var]: [&Vec<f32>; 4], eps: f32) -> Vec<[f64; 2]> {
    let one = |(i, bias): (usize, &f32)| {
        let [gamma, beta, mean, var] = [gamma, beta, mean, var].map(|of| f64::from(of[i]));
        let scale = gamma / (var + f64::from(eps)).sqrt();
        [scale, (f64::from(*bias) - mean) * scale + beta]
    };
    bias.iter().enumerate().map(one).collect()
}

/// A weight in integers, and what turns sums of products into real numbers.
struct Packed {
    weight: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Of a weight `[O, I, kh, kw]`, what the integers of each input channel stand for, and scale and shift of each output
/// channel. Sources of several scales are brought to that of the first by the weight.
fn integers(weight: &[f32], channels: &[Int8], affine: &[[f64; 2]]) -> Packed {
    let rows = weight.len() / affine.len();
    let taps = rows / channels.len();
    let first = f64::from(channels[0].scale);
    let mut packed = Packed { weight: Vec::new(), scale: Vec::new(), shift: Vec::new() };
    for (row, [by, plus]) in weight.chunks_exact(rows).zip(affine) {
        let real = |i: usize| f64::from(row[i]) * f64::from(channels[i / taps].scale) / first;
        let largest = (0..rows).map(|i| real(i).abs()).fold(0.0, f64::max);
        let step = if largest > 0.0 { largest / 127.0 } else { 1.0 };
        let whole = |i: usize| (real(i) / step).round_ties_even();
        let at_zero: f64 = (0..rows).map(|i| whole(i) * f64::from(channels[i / taps].zero)).sum();
        let scale = by * first * step;
        packed.weight.extend((0..rows).map(|i| whole(i) as f32));
        packed.scale.push(scale as f32);
        packed.shift.push((plus - scale * at_zero) as f32);
    }
    packed
}

/// Which numbers of a tensor its range holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Range {
    /// From the least to the largest of all pictures.
    MinMax,
    /// So many percent of each picture's numbers below, and above as many as from the other end; the mean over pictures.
    Percentile(f64),
}

/// A model in f32 that looks at pictures and notes what its convolutions see.
pub struct Observer {
    session: Session,
    picture: Var,
    range: Range,
    /// Name and sources of each convolution.
    seen: Vec<(String, Vec<Var>)>,
    /// Of each tensor.
    ranges: BTreeMap<Var, [f64; 2]>,
    pictures: usize,
}

impl Observer {
    /// Of pictures of `size` (height, width). Convolutions whose names begin with one of `skipped` stay in f32.
    ///
    /// # Errors
    /// What the device raises; [`Error::Config`] if nothing is left to quantize, for a beginning that no name has, and for
    /// a percentile that is not above 50 and at most 100.
    pub fn new(
        model: &Model,
        weights: &Arc<Weights>,
        size: [usize; 2],
        range: Range,
        skipped: &[String],
    ) -> Result<Self> {
        if let Range::Percentile(percent) = range
            && !(percent > 50.0 && percent <= 100.0)
        {
            return Err(Error::Config(format!(
                "the percentile must be above 50 and at most 100, got {percent}"
            )));
        }
        let (mut graph, picture, _) =
            predictor::graph(model, Shape::new(1, size[0], size[1], model.in_channels))?;
        let found = find(&graph);
        if let Some(no) = skipped.iter().find(|s| found.iter().all(|f| !f.name.starts_with(*s))) {
            let names: Vec<&str> = found.iter().map(|f| f.name.as_str()).collect();
            return Err(Error::Config(format!(
                "no convolution is called {no}...; there are {}",
                names.join(", ")
            )));
        }
        let kept = found.iter().filter(|f| !skipped.iter().any(|s| f.name.starts_with(s)));
        let seen: Vec<(String, Vec<Var>)> = kept
            .map(|f| {
                let node = &graph.nodes[f.node];
                let sources = node.op.is::<Conv2d>().map_or(0, |op| op.sources);
                (f.name.clone(), node.inputs[..sources].to_vec())
            })
            .collect();
        if seen.is_empty() {
            return Err(Error::Config("there is no convolution to quantize".into()));
        }
        let tensors: Vec<Var> = seen.iter().flat_map(|(_, sources)| sources.iter().copied()).collect();
        tensors.iter().for_each(|v| graph.output(*v));
        let session = Session::sharing(Plan::new(&graph, &weights.context)?, weights, None)?;
        Ok(Self { session, picture, range, seen, ranges: BTreeMap::new(), pictures: 0 })
    }

    /// Looks at one picture, `[h, w, channels]`, normalised as in training.
    ///
    /// # Errors
    /// [`Error::Shape`] if the count of numbers is wrong; [`Error::Check`] where numbers are not finite.
    pub fn look(&mut self, picture: &[f32]) -> Result<()> {
        self.session.write(self.picture, picture)?;
        self.session.run();
        let mut tensors: Vec<Var> =
            self.seen.iter().flat_map(|(_, sources)| sources.iter().copied()).collect();
        tensors.sort_unstable();
        tensors.dedup();
        for var in tensors {
            let [low, high] = ends(self.session.read(var)?, self.range);
            if !low.is_finite() || !high.is_finite() {
                let name = &self.session.plan().vars[var.index()].name;
                return Err(Error::Check(format!(
                    "numbers of {name} are not finite; the model cannot be quantized"
                )));
            }
            let known = self.ranges.entry(var).or_insert([0.0; 2]);
            *known = match self.range {
                Range::MinMax => [known[0].min(low), known[1].max(high)],
                Range::Percentile(_) => [known[0] + low, known[1] + high],
            };
        }
        self.pictures += 1;
        Ok(())
    }

    /// What was seen.
    ///
    /// # Errors
    /// [`Error::Config`] if no picture was looked at.
    pub fn quantization(&self) -> Result<Quantization> {
        if self.pictures == 0 {
            return Err(Error::Config("there are no pictures to calibrate with".into()));
        }
        let share = if self.range == Range::MinMax { 1.0 } else { self.pictures as f64 };
        let of = |v: &Var| self.ranges[v].map(|end| (end / share) as f32);
        let each = self.seen.iter().map(|(name, sources)| (name.clone(), sources.iter().map(of).collect()));
        Ok(Quantization { ranges: each.collect() })
    }
}

/// The ends of what one picture's numbers span.
fn ends(mut numbers: Vec<f32>, range: Range) -> [f64; 2] {
    let share = match range {
        Range::MinMax => 1.0,
        Range::Percentile(percent) => percent / 100.0,
    };
    let last = numbers.len().saturating_sub(1);
    let mut at = |share: f64| {
        let i = (share * last as f64).round() as usize;
        f64::from(*numbers.select_nth_unstable_by(i, f32::total_cmp).1)
    };
    [at(1.0 - share), at(share)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_by_percentile() {
        let numbers: Vec<f32> = (0..101).rev().map(|v| v as f32).collect();
        assert_eq!(ends(numbers.clone(), Range::MinMax), [0.0, 100.0]);
        assert_eq!(ends(numbers, Range::Percentile(95.0)), [5.0, 95.0]);
        assert_eq!(ends(vec![3.0], Range::Percentile(99.0)), [3.0, 3.0]);
    }

    #[test]
    fn a_source_of_zeros_takes_the_scale_of_another() {
        let told = Int8::over([0.0, 2.55]);
        assert_eq!(scales(&[[0.0, 2.55], [0.0; 2]]), [told, Int8 { zero: 0, ..told }]);
        assert_eq!(scales(&[[0.0; 2], [0.0, 2.55]]), [Int8 { zero: 0, ..told }, told]);
        assert_eq!(scales(&[[0.0; 2]]), [Int8 { scale: 1.0, zero: 0 }]);
    }

    /// Sums of the integers, scaled and shifted, are the real sums to within half a step each.
    #[test]
    fn integers_give_the_real_sums_back() {
        let channels = [Int8::over([0.0, 4.0]), Int8::over([-1.0, 3.0]), Int8::over([0.0, 0.5])];
        let (real, weight) = ([1.5, -0.25, 0.4], [0.3, -2.0, 1.0, 0.0, 0.0, 0.0]);
        let packed = integers(&weight, &channels, &[[-0.5, 0.125], [2.0, 7.0]]);
        assert!(packed.weight.iter().all(|q| q.abs() <= 127.0 && q.fract() == 0.0));
        let q: Vec<f64> = real.iter().zip(&channels).map(|(v, c)| c.quantized(*v)).collect();
        for (o, [by, plus]) in [[-0.5, 0.125], [2.0, 7.0]].into_iter().enumerate() {
            let sum: f64 = (0..3).map(|i| f64::from(packed.weight[3 * o + i]) * q[i]).sum();
            let got = sum * f64::from(packed.scale[o]) + f64::from(packed.shift[o]);
            let want: f64 = (0..3).map(|i| real[i] * f64::from(weight[3 * o + i])).sum::<f64>() * by + plus;
            assert!((got - want).abs() < 0.03, "{got} {want}");
        }
    }
}

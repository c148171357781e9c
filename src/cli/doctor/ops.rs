//! Reference cases of single operators.

use std::sync::Arc;

use super::{
    cases::{Case, CaseFile, Judge},
    graphs::{self, Subject},
};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Init, Layout, Var},
    ops::{
        Act, Activation, BatchNorm, Binary, BinaryKind, Concat, Conv2d, ConvTranspose2d, Geometry, Keep,
        Linear, MatMul, Pool, PoolKind, Reduce, Resize, Softmax,
    },
};

const ZERO: Init = Init::Constant(0.0);

/// Runs a case; `None` if the operator is not known.
pub fn run(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
) -> Option<Result<()>> {
    let mut graph = Graph::new();
    let inputs: Result<Vec<_>> = case
        .inputs
        .iter()
        .filter(|n| *n != "cotangent")
        .map(|n| graphs::input(&mut graph, file, case, n))
        .collect();
    let inputs = match inputs {
        Ok(inputs) => inputs,
        Err(e) => return Some(Err(e)),
    };
    let vars: Vec<Var> = inputs.iter().map(|(_, v)| *v).collect();
    if vars.is_empty() {
        return Some(Err(Error::Check("the case has no inputs".into())));
    }
    let y = match build(&mut graph, file, case, &vars)? {
        Ok(y) => y,
        Err(e) => return Some(Err(e)),
    };
    let outs: Vec<_> = case.out.iter().map(|n| (n.clone(), n.clone())).collect();
    let subject = Subject { graph, inputs, y };
    Some(graphs::run(context, judge, subject, "", &outs, &case.grad))
}

fn build(graph: &mut Graph, file: &CaseFile, case: &Case, x: &[Var]) -> Option<Result<Var>> {
    if let Some(act) = activation(case) {
        return Some(graph.apply(Activation::new(act), x));
    }
    Some(match case.name.as_str() {
        "conv2d" | "depthwise_conv2d" | "grouped_conv2d" => convolution(graph, file, case, x),
        "conv_transpose2d" => transposed(graph, file, case, x),
        "batchnorm2d" => batch_norm(graph, case, x),
        "max_pool2d" | "avg_pool2d" if case.flag("ceil", false) => return None,
        "max_pool2d" => pool(case, PoolKind::Max).and_then(|op| graph.apply(op, x)),
        "avg_pool2d" => pool(case, PoolKind::Average).and_then(|op| graph.apply(op, x)),
        "global_avg_pool" => {
            let op = Reduce::mean(Keep::PictureChannels, graph.shape(x[0]));
            graph.apply(op, x)
        }
        "upsample_nearest" => case.counts("scale", [2, 2]).and_then(|[sy, sx]| {
            let s = graph.shape(x[0]);
            graph.apply(Resize::nearest([sy * s.h, sx * s.w]), x)
        }),
        "resize_bilinear" if !case.flag("antialias", false) => {
            let corners = case.flag("align_corners", false);
            case.counts("size", [1, 1]).and_then(|size| graph.apply(Resize::bilinear(size, corners), x))
        }
        "softmax" => graph.apply(Softmax::new(), x),
        "log_softmax" => graph.apply(Softmax::log(), x),
        "add" => graph.apply(Binary::new(BinaryKind::Add), x),
        "sub" => graph.apply(Binary::new(BinaryKind::Sub), x),
        "mul" => graph.apply(Binary::new(BinaryKind::Mul), x),
        "concat" => graph.apply(Concat, x),
        "matmul" => {
            graph.apply(MatMul::new(case.flag("transpose_a", false), case.flag("transpose_b", false)), x)
        }
        "linear" => linear(graph, file, case, x),
        _ => return None,
    })
}

fn activation(case: &Case) -> Option<Act> {
    let slope = case.number("negative_slope", 0.01) as f32;
    Act::ALL
        .into_iter()
        .find(|a| a.name() == case.name)
        .map(|a| if let Act::LeakyRelu(_) = a { Act::LeakyRelu(slope) } else { a })
}

fn pool(case: &Case, kind: PoolKind) -> Result<Pool> {
    let kernel = case.counts("kernel", [2, 2])?;
    Ok(Pool { kind, kernel, stride: case.counts("stride", kernel)?, pad: case.counts("padding", [0, 0])? })
}

/// A bias parameter, where the case has one.
fn bias(graph: &mut Graph, case: &Case, out: usize, inputs: &mut Vec<Var>) -> bool {
    let has = case.has("param", "bias");
    if has {
        inputs.push(graph.param("bias", Layout::Vector(out), ZERO));
    }
    has
}

fn geometry(case: &Case) -> Result<Geometry> {
    Ok(Geometry {
        kernel: case.counts("kernel", [1, 1])?,
        stride: case.counts("stride", [1, 1])?,
        pads: case.counts("pads_tlbr", [0; 4])?,
        dilation: case.counts("dilation", [1, 1])?,
        groups: case.count("groups", 1),
    })
}

/// The first two extents of the weight's shape in the file.
fn weight_shape(file: &CaseFile, case: &Case) -> Result<[usize; 2]> {
    match file.tensor(case, "param.weight")?.shape[..] {
        [a, b, ..] => Ok([a, b]),
        ref other => Err(Error::Check(format!("a weight of shape {other:?} has too few axes"))),
    }
}

fn convolution(graph: &mut Graph, file: &CaseFile, case: &Case, x: &[Var]) -> Result<Var> {
    let geometry = geometry(case)?;
    let [out, per_group] = weight_shape(file, case)?;
    let kernel = geometry.kernel;
    let layout = match geometry.groups {
        1 => Layout::Conv { out, sources: vec![per_group], kernel },
        _ => Layout::Grouped { out, per_group, kernel },
    };
    let mut inputs = vec![x[0], graph.param("weight", layout, ZERO)];
    let bias = bias(graph, case, out, &mut inputs);
    graph.apply(Conv2d { bias, ..Conv2d::new(geometry) }, &inputs)
}

fn transposed(graph: &mut Graph, file: &CaseFile, case: &Case, x: &[Var]) -> Result<Var> {
    let [py, px] = case.counts("padding", [0, 0])?;
    let geometry = Geometry { pads: [py, px, py, px], ..geometry(case)? };
    let [input, per_group] = weight_shape(file, case)?;
    let (kernel, groups) = (geometry.kernel, geometry.groups);
    let out = per_group * groups;
    let layout = match groups {
        1 => Layout::ConvTranspose { input, out, kernel },
        // Seen as the adjoint of a convolution, whose output is this one's input.
        _ => Layout::Grouped { out: input, per_group, kernel },
    };
    let mut inputs = vec![x[0], graph.param("weight", layout, ZERO)];
    let bias = bias(graph, case, out, &mut inputs);
    let op = ConvTranspose2d::new(geometry, case.counts("output_padding", [0, 0])?);
    graph.apply(ConvTranspose2d { channels: out, bias, ..op }, &inputs)
}

fn batch_norm(graph: &mut Graph, case: &Case, x: &[Var]) -> Result<Var> {
    let layout = Layout::Vector(graph.shape(x[0]).c);
    let mut inputs = vec![x[0]];
    inputs.extend(["weight", "bias"].map(|n| graph.param(n, layout.clone(), ZERO)));
    inputs.extend(["running_mean", "running_var"].map(|n| graph.state(n, layout.clone(), ZERO)));
    let (eps, momentum) = (case.number("eps", 1e-5) as f32, case.number("momentum", 0.1) as f32);
    graph.apply(BatchNorm::new(case.flag("training", true), eps, momentum), &inputs)
}

fn linear(graph: &mut Graph, file: &CaseFile, case: &Case, x: &[Var]) -> Result<Var> {
    let [out, input] = weight_shape(file, case)?;
    let mut inputs = vec![x[0], graph.param("weight", Layout::Linear { out, input }, ZERO)];
    let bias = bias(graph, case, out, &mut inputs);
    graph.apply(Linear::new(bias), &inputs)
}

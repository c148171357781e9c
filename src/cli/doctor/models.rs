//! Reference cases of networks and blocks, through the models and blocks that users have.

use std::sync::Arc;

use serde_json::Value;

use super::{
    cases::{Case, CaseFile, Judge},
    graphs::{self, Subject},
};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Var},
    models::{Encoder, Model, Network, Stage},
    nn::{
        Grrb, MbConv, Memory, Net, Padding, Recurrence, attention_gate, conv_lstm, ds_residual, grrb,
        inverted_residual, mbconv, recurrent_block, rrcnn_block,
    },
    ops::{Act, Concat},
};

/// Blocks that are run by themselves.
const BLOCKS: [&str; 8] = [
    "recurrent_block",
    "rrcnn_block",
    "attention_gate",
    "inverted_residual",
    "mbconv",
    "grrb",
    "convlstm",
    "ds_residual",
];

/// Runs a case in evaluation and in training; `None` if the network is not known.
pub fn run(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
) -> Option<Result<()>> {
    known(case).then(|| {
        forward(context, file, case, judge, "eval.", true)?;
        // A convolution with folded batch norm has no gradient, so the gradient takes the graph as built.
        gradient(context, file, case, judge, "eval.", false)?;
        forward(context, file, case, judge, "train.", true)?;
        gradient(context, file, case, judge, "train.", true)
    })
}

fn known(case: &Case) -> bool {
    model(case).is_some() || BLOCKS.contains(&case.name.as_str())
}

/// Names in `list` that begin with `prefix`, without it.
fn under(list: &[String], prefix: &str) -> Vec<String> {
    list.iter().filter_map(|n| n.strip_prefix(prefix)).map(str::to_string).collect()
}

fn forward(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
    prefix: &str,
    fuse: bool,
) -> Result<()> {
    let mut outs: Vec<(String, String)> =
        under(&case.out, prefix).into_iter().map(|n| (format!("{prefix}{n}"), n)).collect();
    if prefix == "train." {
        outs.extend(under(&case.out, "after.").into_iter().map(|n| (format!("after.{n}"), n)));
    }
    let subject = subject(file, case, prefix == "train.", fuse)?;
    graphs::run(context, judge, subject, prefix, &outs, &[])
}

fn gradient(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
    prefix: &str,
    fuse: bool,
) -> Result<()> {
    let subject = subject(file, case, prefix == "train.", fuse)?;
    graphs::run(context, judge, subject, prefix, &[], &under(&case.grad, prefix))
}

fn subject(file: &CaseFile, case: &Case, train: bool, fuse: bool) -> Result<Subject> {
    let mut graph = Graph::new();
    let names = case.inputs.iter().filter(|n| *n != "cotangent");
    let inputs: Vec<(String, Var)> =
        names.map(|n| graphs::input(&mut graph, file, case, n)).collect::<Result<_>>()?;
    if inputs.is_empty() {
        return Err(Error::Check("the case has no inputs".into()));
    }
    let y = match model(case) {
        Some(model) => model.build(&mut graph, named(&inputs, "x"), train)?,
        None => block(&mut Net::new(&mut graph, train), case, &inputs)?,
    };
    graph.output(y);
    if fuse {
        graph.fuse();
        graph.take_shortcuts();
    }
    Ok(Subject { graph, inputs, y })
}

/// The input of a name, or the first.
fn named(inputs: &[(String, Var)], name: &str) -> Var {
    inputs.iter().find(|(n, _)| n == name).map_or(inputs[0].1, |(_, v)| *v)
}

fn block(net: &mut Net<'_>, case: &Case, inputs: &[(String, Var)]) -> Result<Var> {
    let (x, g) = (named(inputs, "x"), named(inputs, "g"));
    // The reference has one set of running statistics for all steps, as the public code.
    let recurrence = Recurrence { t: case.count("t", 2), bn_per_step: false };
    let out = case.count("out", 1);
    match case.name.as_str() {
        "recurrent_block" => recurrent_block(net, x, recurrence),
        "rrcnn_block" => rrcnn_block(net, &[x], out, recurrence),
        "inverted_residual" => {
            inverted_residual(net, &[x], out, case.count("expansion", 1), case.count("squeeze", 1))
        }
        "grrb" => grrb(net, x, grrb_form(case)),
        "convlstm" => memory(net, case, inputs),
        "ds_residual" => ds_residual(net, x, out),
        "mbconv" => {
            net.bn_eps = case.number("bn_eps", 1e-5) as f32;
            mbconv(net, x, &block_form(case))
        }
        _ => attention_gate(net, g, x, case.count("F_int", 1)),
    }
}

fn grrb_form(case: &Case) -> Grrb {
    Grrb {
        steps: case.count("t", 3),
        still_input: case.word("s_input") == "F",
        still_gate: case.word("g_input") == "F",
        act: if case.word("s_act") == "relu" { Act::Relu } else { Act::Identity },
    }
}

/// The last h and c of a convolutional LSTM over the inputs x0, x1, ...
fn memory(net: &mut Net<'_>, case: &Case, inputs: &[(String, Var)]) -> Result<Var> {
    let mut memory = Memory { h: named(inputs, "h0"), c: named(inputs, "c0") };
    for t in 0..case.count("T", 1) {
        memory = conv_lstm(net, named(inputs, &format!("x{t}")), memory, Act::Tanh)?;
    }
    net.graph.apply(Concat, &[memory.h, memory.c])
}

fn block_form(case: &Case) -> MbConv {
    let reduced = case.count("se_reduce", 0);
    MbConv {
        kernel: case.count("kernel", 3),
        stride: case.count("stride", 1),
        expand: (case.word("type") == "ir").then(|| case.count("expand", 1)),
        out: case.count("out", 1),
        reduced: (reduced > 0).then_some(reduced),
        act: rectifier(case),
        padding: padding(case),
        drop: 0.0,
    }
}

fn rectifier(case: &Case) -> Act {
    if case.word("act") == "relu6" { Act::Relu6 } else { Act::Silu }
}

fn padding(case: &Case) -> Padding {
    if case.word("pad") == "tf_same" { Padding::Same } else { Padding::Symmetric }
}

/// A network with an encoder; `None` where its settings are not all there.
fn encoded(case: &Case) -> Option<Model> {
    let list = |key: &str| case.attrs.get(key)?.as_array();
    let stage = |value: &Value| {
        let count = |key: &str| value.get(key)?.as_u64().map(|v| v as usize);
        let inverted = value.get("type")?.as_str()? == "ir";
        Some(Stage {
            expand: if inverted { Some(count("expand")?) } else { None },
            repeats: count("repeats")?,
            kernel: count("kernel")?,
            stride: count("stride")?,
            out: count("out")?,
        })
    };
    let encoder = Encoder {
        stem: case.count("stem", 0),
        stages: list("stages")?.iter().map(stage).collect::<Option<_>>()?,
        se_ratio: case.attrs.get("se_ratio")?.as_f64().map(|ratio| ratio as f32),
        act: rectifier(case),
        padding: padding(case),
        bn_eps: case.number("bn_eps_encoder", 1e-5) as f32,
        drop_path: case.number("drop_path", 0.0) as f32,
        frozen: false,
    };
    let widths = list("decoder_channels")?.iter().map(|v| v.as_u64().map(|v| v as usize));
    Some(Model {
        widths: widths.collect::<Option<_>>()?,
        encoder,
        expansion: case.count("expansion_ratio", 1),
        squeeze: case.count("squeeze_ratio", 1),
        bn_eps: case.number("bn_eps_decoder", 1e-5) as f32,
        ..Model::new(Network::EfficientUNetPp, case.count("img_ch", 3), case.count("classes", 1))
    })
}

/// The model of a case, as its checkpoint's settings would be given in a config.
fn model(case: &Case) -> Option<Model> {
    if case.name == "EfficientUNetPlusPlus" {
        return encoded(case);
    }
    if case.name == "two_stage_unet" {
        let widths = (0..case.count("depth", 5)).map(|i| case.count("base", 64) << i).collect();
        return Some(Model { widths, ..Model::new(Network::TwoStageUNet, case.count("img_ch", 3), 1) });
    }
    let network = match case.name.as_str() {
        "U_Net" => Network::UNet,
        "R2U_Net" => Network::R2UNet,
        "AttU_Net" => Network::AttUNet,
        "R2AttU_Net" => Network::R2AttUNet,
        "rr_att_unet" => Network::RrAttUNet,
        _ => return None,
    };
    let widths = case.attrs.get("widths").and_then(|w| serde_json::from_value(w.clone()).ok())?;
    let base = Model::new(network, case.count("img_ch", 1), case.count("output_ch", 1));
    Some(Model {
        widths,
        t: case.count("t", 0),
        bn_per_step: false,
        share: case.flag("shared", base.share),
        residual: case.flag("residual", base.residual),
        attention: case.flag("attention", base.attention),
        gate_act: if case.word("gate_act") == "relu" { Act::Relu } else { base.gate_act },
        gate_bn: case.flag("gate_bn", base.gate_bn),
        bn_eps: case.number("bn_eps", 1e-5) as f32,
        bn_momentum: case.number("bn_momentum", 0.1) as f32,
        ..base
    })
}

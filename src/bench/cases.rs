//! Kernels at named shapes.

use std::sync::Arc;

use super::{Ceilings, Row, Times, session};
use crate::{
    Result,
    gpu::{Context, PassTime},
    graph::{Cost, Graph, Init, Layout, Pass, Shape, Var, VarInfo},
    ops::{
        Act, Activation, BatchNorm, Binary, BinaryKind, Conv2d, ConvTranspose2d, Geometry, Pool, Resize, add,
    },
};

/// Puts an operator on an input into a graph.
type Build = dyn Fn(&mut Graph, Var) -> Result<Var>;

/// An operator, built by `build` on an input of shape `x`; it returns the result.
pub struct Case {
    /// Where the shape comes from.
    pub group: &'static str,
    /// Operator and shape.
    pub name: String,
    x: Shape,
    build: Box<Build>,
}

/// A convolution's kernel, channels in and out, picture size and stride; `groups` as many as channels for a
/// depthwise one.
struct Convolution {
    kernel: usize,
    channels: [usize; 2],
    size: usize,
    stride: usize,
    depthwise: bool,
}

const fn dense(kernel: usize, channels: [usize; 2], size: usize) -> Convolution {
    Convolution { kernel, channels, size, stride: 1, depthwise: false }
}

const fn depthwise(kernel: usize, channels: usize, size: usize, stride: usize) -> Convolution {
    Convolution { kernel, channels: [channels; 2], size, stride, depthwise: true }
}

/// What every comparison is made on.
const COMMON: [Convolution; 6] = [
    dense(3, [64, 64], 128),
    dense(3, [16, 16], 128),
    dense(3, [128, 128], 64),
    dense(1, [64, 64], 128),
    depthwise(3, 64, 128, 1),
    depthwise(5, 64, 128, 1),
];

/// U-Net and attention U-Net at 256x256, also the shapes of R2AttU-Net's recurrent units.
const U_NET: [Convolution; 8] = [
    dense(3, [3, 64], 256),
    dense(3, [64, 64], 256),
    dense(3, [64, 128], 128),
    dense(3, [256, 256], 64),
    dense(3, [512, 512], 32),
    dense(3, [1024, 1024], 16),
    dense(3, [1024, 512], 32),
    dense(1, [64, 32], 256),
];

/// EfficientNet-B0's inverted residuals at 256x256 and the decoder of U-Net++.
const EFFICIENT: [Convolution; 9] = [
    depthwise(3, 32, 128, 1),
    dense(1, [16, 96], 128),
    depthwise(3, 96, 128, 2),
    dense(1, [96, 24], 64),
    depthwise(5, 144, 64, 2),
    dense(1, [40, 240], 32),
    depthwise(5, 672, 16, 1),
    dense(1, [672, 112], 16),
    dense(3, [64, 32], 128),
];

/// SiGREnet's separable residual blocks at 256x256.
const SIGRE: [Convolution; 4] =
    [depthwise(3, 32, 256, 1), dense(1, [32, 32], 256), depthwise(3, 128, 64, 1), dense(1, [128, 128], 64)];

/// All cases.
pub fn all() -> Vec<Case> {
    let groups: [(&str, &[Convolution]); 4] =
        [("common", &COMMON), ("U-Net", &U_NET), ("EfficientUNet++", &EFFICIENT), ("SiGREnet", &SIGRE)];
    let convolutions =
        groups.into_iter().flat_map(|(group, all)| all.iter().map(move |c| convolution(group, c)));
    convolutions.chain(transposed()).chain(passes()).collect()
}

fn convolution(group: &'static str, c: &Convolution) -> Case {
    let [input, out] = c.channels;
    let geometry = Geometry::square(c.kernel, c.stride, c.kernel / 2);
    let kernel = [c.kernel; 2];
    let (geometry, layout, what) = if c.depthwise {
        (geometry.grouped(input), Layout::Grouped { out, per_group: 1, kernel }, "depthwise ")
    } else {
        (geometry, Layout::Conv { out, sources: vec![input], kernel }, "")
    };
    let stride = if c.stride > 1 { format!(" by {}", c.stride) } else { String::new() };
    Case {
        group,
        name: format!("{what}{0}x{0} {input}->{out} at {1}{stride}", c.kernel, c.size),
        x: Shape::new(1, c.size, c.size, input),
        build: Box::new(move |graph, x| {
            let w = graph.param("w", layout.clone(), Init::Uniform(0.1));
            graph.apply(Conv2d::new(geometry), &[x, w])
        }),
    }
}

fn transposed() -> [Case; 1] {
    [Case {
        group: "common",
        name: "transposed 2x2 128->64 at 64 by 2".into(),
        x: Shape::new(1, 64, 64, 128),
        build: Box::new(|graph, x| {
            let layout = Layout::ConvTranspose { input: 128, out: 64, kernel: [2, 2] };
            let w = graph.param("w", layout, Init::Uniform(0.1));
            graph.apply(ConvTranspose2d::new(Geometry::square(2, 2, 0), [0, 0]), &[x, w])
        }),
    }]
}

/// Passes that move more than they compute.
fn passes() -> Vec<Case> {
    type Pass = fn(&mut Graph, Var) -> Result<Var>;
    let all: [(&str, Pass); 6] = [
        ("relu", |g, x| g.apply(Activation::new(Act::Relu), &[x])),
        ("sigmoid", |g, x| g.apply(Activation::new(Act::Sigmoid), &[x])),
        ("add", |g, x| {
            let other = g.input("other", g.shape(x));
            g.apply(Binary::new(BinaryKind::Add), &[x, other])
        }),
        ("batch norm", |g, x| {
            let layout = Layout::Vector(g.shape(x).c);
            let mut inputs = vec![x];
            inputs.extend(["weight", "bias"].map(|n| g.param(n, layout.clone(), Init::Constant(1.0))));
            inputs.extend(["mean", "var"].map(|n| g.state(n, layout.clone(), Init::Constant(1.0))));
            g.apply(BatchNorm::new(true, 1e-5, 0.1), &inputs)
        }),
        ("max pool 2x2", |g, x| g.apply(Pool::max(2, 2, 0), &[x])),
        ("upsample 2x", |g, x| {
            let s = g.shape(x);
            g.apply(Resize::nearest([2 * s.h, 2 * s.w]), &[x])
        }),
    ];
    let case = |(name, build): (&str, Pass)| Case {
        group: "passes",
        name: format!("{name} 64 at 128"),
        x: Shape::new(1, 128, 128, 64),
        build: Box::new(build),
    };
    all.into_iter().map(case).collect()
}

/// An operator with its gradients.
pub struct Program {
    pub graph: Graph,
    /// How many nodes are forward.
    forward: usize,
    mixed: bool,
}

impl Case {
    /// The operator with its gradients; in mixed precision what it reads and makes is stored in half.
    ///
    /// # Errors
    /// What building it raises.
    pub fn program(&self, mixed: bool) -> Result<Program> {
        let mut graph = Graph::new();
        let x = graph.input("x", self.x);
        let y = (self.build)(&mut graph, x)?;
        graph.output(y);
        let forward = graph.nodes.len();
        let seed = graph.input("dy", graph.shape(y));
        let mut ends = vec![x, y, seed];
        for dx in graph.backward(y, seed, &[x], add)?.into_iter().flatten() {
            graph.output(dx);
            ends.push(dx);
        }
        if mixed {
            graph.mixed();
            graph.halve(&ends);
        }
        Ok(Program { graph, forward, mixed })
    }

    /// Times the forward pass and the gradients of its [`Self::program`].
    ///
    /// # Errors
    /// What the device raises.
    pub fn measure(
        &self,
        context: &Arc<Context>,
        program: &Program,
        ceilings: &Ceilings,
        runs: usize,
    ) -> Result<Vec<Row>> {
        let Program { graph, forward, mixed } = program;
        let session = session(context, graph)?;
        let passes = &session.plan().passes;
        let kind = |pass: &Pass| match pass.node {
            node if node < *forward => "forward",
            node if graph.nodes[node].op.name() == "conv2d_weight_grad" => "weight gradient",
            _ => "input gradient",
        };
        super::fill(&session, graph)?;
        session.profile()?;
        let profiles = (0..runs).map(|_| session.profile()).collect::<Result<Vec<_>>>()?;
        let largest = graph.vars.iter().map(VarInfo::bytes).max().unwrap_or(0);
        // Matrix units are for mixed precision alone.
        let arithmetic = ceilings.matrix_units.filter(|_| *mixed).unwrap_or(ceilings.matmul);
        let name = format!("{}{}", self.name, if *mixed { " in half" } else { "" });
        let row = |wanted: &str| {
            let of_kind: Vec<usize> = (0..passes.len()).filter(|i| kind(&passes[*i]) == wanted).collect();
            let first = of_kind.first()?;
            let form = passes[*first].form.clone().unwrap_or_default();
            let mut cost = Cost::default();
            of_kind.iter().for_each(|i| cost += passes[*i].cost);
            let sum = |profile: &Vec<PassTime>| of_kind.iter().map(|i| profile[*i].ms).sum::<f64>();
            let times = Times::of(profiles.iter().map(sum).collect());
            let named = [self.group, &name, wanted, &form];
            Some(Row::new(named, of_kind.len(), times, cost, [arithmetic, ceilings.copy_of(largest)]))
        };
        Ok(["forward", "input gradient", "weight gradient"].into_iter().filter_map(row).collect())
    }
}

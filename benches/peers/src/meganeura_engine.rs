use std::time::Duration;

use meganeura::{Graph, NodeId, Session, TuneOptions, build_inference_session, build_session};

use crate::{
    Computation, Prepared,
    cases::{COLOURS, Case, Conv, Down, Layer, Ops, Pass, RATE, UNet},
};

pub fn prepare(case: &Case, pass: Pass) -> Prepared {
    let ready = match (*case, pass) {
        (Case::Conv(Conv { depthwise: true, .. }), Pass::Training) => {
            return Err("it has no gradients of depthwise convolutions".into());
        }
        // It spreads the gradient evenly over four neighbours in memory (`Op::MaxPool2d` in its autodiff.rs).
        (Case::UNet(UNet { down: Down::MaxPool, .. }), Pass::Training) => {
            return Err("its gradient of max pooling is an approximation".into());
        }
        (Case::Conv(c), _) => conv(c, pass),
        (Case::UNet(net), Pass::Forward) => unet_forward(net),
        (Case::UNet(net), Pass::Training) => unet_training(net),
    };
    Ok(Box::new(ready))
}

/// A session with what it makes.
struct Ready {
    session: Session,
    /// Sizes of the outputs to look at.
    outputs: Vec<usize>,
    /// Names and sizes of the parameters to look at.
    parameters: Vec<(String, usize)>,
}

impl Ready {
    /// Sets inputs and parameters and lets it search for tiles.
    fn new(mut session: Session, inputs: &[(&str, Vec<f32>)], parameters: &[(String, Vec<f32>)]) -> Self {
        for (name, numbers) in inputs {
            session.set_input(name, numbers);
        }
        for (name, numbers) in parameters {
            session.set_parameter(name, numbers);
        }
        session.step();
        session.wait();
        // A shape that it does not tune stays as it is.
        let _ =
            session.tune_with(TuneOptions { max_time: Duration::from_secs(10), ..TuneOptions::default() });
        Self { session, outputs: Vec::new(), parameters: Vec::new() }
    }
}

impl Computation for Ready {
    fn run(&mut self) {
        self.session.step();
        self.session.wait();
    }

    fn results(&mut self) -> Vec<Vec<f32>> {
        let outputs = self.outputs.iter().enumerate().map(|(i, size)| {
            let mut numbers = vec![0.0; *size];
            self.session.read_output_by_index(i, &mut numbers);
            numbers
        });
        let parameters = self.parameters.iter().map(|(name, size)| {
            let mut numbers = vec![0.0; *size];
            self.session.read_param(name, &mut numbers);
            numbers
        });
        outputs.chain(parameters).collect()
    }
}

fn conv(shape: Conv, pass: Pass) -> Ready {
    let (c, size, k) = (shape.channels as u32, shape.size as u32, shape.kernel as u32);
    let (pad, picture, weight) = (k / 2, shape.picture(), shape.weights());
    let mut g = Graph::new();
    let x = g.input("x", &[picture.len()]);
    let w = g.parameter("w", &[weight.len()]);
    let y = if shape.depthwise {
        g.conv2d_dw(x, w, 1, c, size, size, k, k, 1, pad, pad)
    } else {
        g.conv2d(x, w, 1, c, size, size, c, k, k, 1, pad)
    };
    let (mut outputs, mut sizes) = (vec![y], vec![picture.len()]);
    let (mut inputs, parameters) = (vec![("x", picture)], [("w".to_string(), weight)]);
    if pass == Pass::Training {
        let dy = g.input("dy", &[shape.dy().len()]);
        outputs.push(g.conv2d_grad_input(dy, w, 1, c, size, size, c, k, k, 1, pad, pad));
        outputs.push(g.conv2d_grad_weight(dy, x, c, size, size, c, k, k, 1, pad, pad));
        sizes.extend([inputs[0].1.len(), parameters[0].1.len()]);
        inputs.push(("dy", shape.dy()));
    }
    g.set_outputs(outputs);
    Ready { outputs: sizes, ..Ready::new(build_inference_session(&g), &inputs, &parameters) }
}

fn unet_forward(net: UNet) -> Ready {
    let mut g = Graph::new();
    let logits = logits(net, &mut g);
    g.set_outputs(vec![logits]);
    let ready = Ready::new(build_inference_session(&g), &[("picture", net.picture())], &net.parameters());
    Ready { outputs: vec![net.size * net.size], ..ready }
}

fn unet_training(net: UNet) -> Ready {
    let mut g = Graph::new();
    let logits = logits(net, &mut g);
    let target = g.input("target", &[net.size * net.size]);
    let probabilities = g.sigmoid(logits);
    let loss = g.bce_loss(probabilities, target);
    g.set_outputs(vec![loss]);
    let inputs = [("picture", net.picture()), ("target", net.target())];
    let parameters = net.parameters();
    let mut ready = Ready::new(build_session(&g), &inputs, &parameters);
    // From here on each step moves the parameters.
    ready.session.set_learning_rate(RATE);
    ready.parameters = parameters.into_iter().map(|(name, numbers)| (name, numbers.len())).collect();
    ready
}

fn logits(net: UNet, graph: &mut Graph) -> NodeId {
    let node = graph.input("picture", &[net.picture().len()]);
    let picture = Planes { node, channels: COLOURS as u32, size: net.size as u32 };
    net.build(graph, picture).node
}

/// Its tensors are flat; the operators want to be told their shapes.
#[derive(Clone, Copy)]
pub struct Planes {
    node: NodeId,
    channels: u32,
    size: u32,
}

impl Ops for Graph {
    type Tensor = Planes;

    fn conv(&mut self, layer: &Layer, sources: Vec<Planes>) -> Planes {
        let joined = |a: Planes, b: Planes| {
            let node = self.concat(a.node, b.node, 1, a.channels, b.channels, a.size * a.size);
            Planes { node, channels: a.channels + b.channels, size: a.size }
        };
        let x = sources.into_iter().reduce(joined).expect("a source");
        let (out, k, size) = (layer.out as u32, layer.kernel as u32, layer.size as u32);
        let weight = self.parameter(&layer.weight_name(), &[layer.weights().len()]);
        let bias = self.parameter(&layer.bias_name(), &[layer.out]);
        let stride = layer.stride as u32;
        let y = self.conv2d(x.node, weight, 1, x.channels, x.size, x.size, out, k, k, stride, k / 2);
        let y = self.add_per_channel(y, bias, out, size * size);
        let node = if layer.relu { self.relu(y) } else { y };
        Planes { node, channels: out, size }
    }

    fn max_pool(&mut self, x: Planes) -> Planes {
        let node = self.max_pool_2d(x.node, 1, x.channels, x.size, x.size, 2, 2, 2, 0);
        Planes { node, size: x.size / 2, ..x }
    }

    fn upsample(&mut self, x: Planes) -> Planes {
        let node = self.upsample_2x(x.node, 1, x.channels, x.size, x.size);
        Planes { node, size: 2 * x.size, ..x }
    }
}

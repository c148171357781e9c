use std::sync::Arc;

use gyre::{
    gpu::{Context, Select},
    graph::{Graph, Init, Layout, Plan, Session, Shape, Var, Weights},
    loss::LossSpec,
    ops::{Act, Activation, Conv2d, Geometry, Pool, Resize, add},
    optim::{Method, OptimSpec, Optimizer, Sgd},
};

use crate::{
    Computation, Prepared,
    cases::{COLOURS, Case, Conv, Layer, Ops, Pass, RATE, UNet},
};

pub struct Engine {
    context: Arc<Context>,
}

impl Engine {
    pub fn new() -> Self {
        Self { context: Arc::new(Context::new(&Select::parse(None)).expect("an adapter")) }
    }

    pub fn adapter(&self) -> String {
        format!("{} ({})", self.context.info.name, self.context.info.driver_info)
    }

    pub fn prepare(&self, case: &Case, pass: Pass) -> Prepared {
        let ready = match case {
            Case::Conv(conv) => self.conv(*conv, pass),
            Case::UNet(net) => self.unet(*net, pass),
        };
        // The others are held against it.
        Ok(Box::new(ready.expect("gyre runs every case")))
    }

    fn conv(&self, c: Conv, pass: Pass) -> gyre::Result<Ready> {
        let mut graph = Graph::new();
        let tensor = Shape::new(1, c.size, c.size, c.channels);
        let x = graph.input("x", tensor);
        let (geometry, kernel) = (Geometry::square(c.kernel, 1, c.kernel / 2), [c.kernel; 2]);
        let (geometry, layout) = if c.depthwise {
            (geometry.grouped(c.channels), Layout::Grouped { out: c.channels, per_group: 1, kernel })
        } else {
            (geometry, Layout::Conv { out: c.channels, sources: vec![c.channels], kernel })
        };
        let w = graph.param("w", layout, Init::Constant(0.0));
        let y = graph.apply(Conv2d::new(geometry), &[x, w])?;
        graph.output(y);
        let (mut outputs, mut inputs) = (vec![y], vec![(x, c.picture())]);
        if pass == Pass::Training {
            let dy = graph.input("dy", tensor);
            inputs.push((dy, c.dy()));
            for dx in graph.backward(y, dy, &[x], add)?.into_iter().flatten() {
                graph.output(dx);
                outputs.push(dx);
            }
        }
        let session = self.session(&graph, &[("w".into(), c.weights())], &inputs)?;
        Ok(Ready { context: self.context.clone(), session, outputs, optimizer: None })
    }

    fn unet(&self, net: UNet, pass: Pass) -> gyre::Result<Ready> {
        let mut graph = Graph::new();
        let picture = graph.input("picture", Shape::new(1, net.size, net.size, COLOURS));
        let logits = net.build(&mut graph, picture);
        graph.fuse();
        let (mut outputs, mut inputs) = (Vec::new(), vec![(picture, net.picture())]);
        if pass == Pass::Training {
            let target = graph.input("target", graph.shape(logits));
            let seed = graph.input("loss weight", Shape::SCALAR);
            inputs.extend([(target, net.target()), (seed, vec![1.0])]);
            let (loss, _) = LossSpec::bce().build(&mut graph, logits, target)?;
            graph.output(loss);
            graph.backward(loss, seed, &[], add)?;
        } else {
            graph.output(logits);
            outputs.push(logits);
        }
        let session = self.session(&graph, &net.parameters(), &inputs)?;
        let descent = OptimSpec::from(Method::Sgd(Sgd::default()));
        let optimizer =
            session.gradients().map(|gradients| Optimizer::new(session.weights(), gradients, descent));
        let optimizer = optimizer.transpose()?;
        Ok(Ready { context: self.context.clone(), session, outputs, optimizer })
    }

    fn session(
        &self,
        graph: &Graph,
        weights: &[(String, Vec<f32>)],
        inputs: &[(Var, Vec<f32>)],
    ) -> gyre::Result<Session> {
        let kept = Arc::new(Weights::new(&self.context, graph, 0)?);
        for (name, numbers) in weights {
            kept.set(name, numbers)?;
        }
        let session = Session::new(Plan::new(graph, &self.context)?, &kept)?;
        for (var, numbers) in inputs {
            let s = graph.shape(*var);
            // From planes to pixels.
            let nhwc: Vec<f32> =
                (0..numbers.len()).map(|i| numbers[i % s.c * s.pixels() + i / s.c]).collect();
            session.write(*var, &nhwc)?;
        }
        Ok(session)
    }
}

/// A session with what it makes.
struct Ready {
    context: Arc<Context>,
    session: Session,
    outputs: Vec<Var>,
    optimizer: Option<Optimizer>,
}

impl Computation for Ready {
    fn run(&mut self) {
        let (session, optimizer) = (&self.session, &mut self.optimizer);
        session.submit(
            |encoder| session.clear_gradients(encoder),
            |encoder| {
                if let Some(optimizer) = optimizer {
                    optimizer.step(encoder, RATE);
                }
            },
        );
        self.context.wait().expect("the device works");
    }

    fn results(&mut self) -> Vec<Vec<f32>> {
        let output = |var: &Var| {
            let (s, nhwc) = (self.session.shape(*var), self.session.read(*var).expect("the device works"));
            // From pixels to planes.
            (0..nhwc.len()).map(|i| nhwc[i % s.pixels() * s.c + i / s.pixels()]).collect()
        };
        let outputs = self.outputs.iter().map(output);
        let weights = self.session.weights();
        let after: Vec<Vec<f32>> = match (&self.optimizer, self.session.gradients()) {
            (Some(_), _) => weights.export().expect("the device works").into_iter().map(|p| p.2).collect(),
            (None, Some(gradients)) => {
                weights.export_like(gradients).expect("the device works").into_iter().map(|p| p.1).collect()
            }
            (None, None) => Vec::new(),
        };
        outputs.chain(after).collect()
    }
}

impl Ops for Graph {
    type Tensor = Var;

    fn conv(&mut self, layer: &Layer, sources: Vec<Var>) -> Var {
        let layout =
            Layout::Conv { out: layer.out, sources: layer.sources.clone(), kernel: [layer.kernel; 2] };
        let weight = self.param(&layer.weight_name(), layout, Init::Constant(0.0));
        let bias = self.param(&layer.bias_name(), Layout::Vector(layer.out), Init::Constant(0.0));
        let op = Conv2d {
            sources: sources.len(),
            bias: true,
            ..Conv2d::new(Geometry::square(layer.kernel, layer.stride, layer.kernel / 2))
        };
        let inputs: Vec<Var> = sources.into_iter().chain([weight, bias]).collect();
        let y = self.apply(op, &inputs).expect("shapes fit");
        if layer.relu { self.apply(Activation::new(Act::Relu), &[y]).expect("shapes fit") } else { y }
    }

    fn max_pool(&mut self, x: Var) -> Var {
        self.apply(Pool::max(2, 2, 0), &[x]).expect("shapes fit")
    }

    fn upsample(&mut self, x: Var) -> Var {
        let s = self.shape(x);
        self.apply(Resize::nearest([2 * s.h, 2 * s.w]), &[x]).expect("shapes fit")
    }
}

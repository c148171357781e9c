//! Layers: an operator with its parameters.

use crate::{
    Result,
    graph::{Graph, Init, Layout, Var},
    ops::{Act, Activation, BatchNorm, Binary, BinaryKind, Conv2d, ConvTranspose2d, Geometry},
};

/// How weights start. Biases start at zero but for PyTorch's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Uniform in +-1/sqrt(fan in) for weights and biases, as PyTorch does.
    #[default]
    PyTorch,
    /// Normal, with deviation sqrt(2 / fan in) where a rectifier follows (He et al. 2015) and PyTorch's
    /// sqrt(1 / (3 fan in)) where none does: the sums of a residual network then keep near unit variance. With the
    /// rectifier's on every layer they grow level by level, and the outputs are saturated before training begins.
    He,
    /// Normal with deviation 2 / sqrt(fan in) on every layer, as the focal Tversky paper prints it.
    Printed,
    /// Uniform in +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010).
    Xavier,
}

impl Scheme {
    fn weight(self, fan_in: usize, fan_out: usize, rectified: bool) -> Init {
        match self {
            Self::PyTorch => Init::Uniform(1.0 / (fan_in as f32).sqrt()),
            Self::He => Init::Normal((if rectified { 2.0 } else { 1.0 / 3.0 } / fan_in as f32).sqrt()),
            Self::Printed => Init::Normal(2.0 / (fan_in as f32).sqrt()),
            Self::Xavier => Init::Uniform((6.0 / (fan_in + fan_out) as f32).sqrt()),
        }
    }

    fn bias(self, fan_in: usize) -> Init {
        match self {
            Self::PyTorch => Init::Uniform(1.0 / (fan_in as f32).sqrt()),
            Self::He | Self::Printed | Self::Xavier => Init::Constant(0.0),
        }
    }
}

/// A graph under construction with the settings that all layers share.
pub struct Net<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    /// Batch statistics in batch norm, and their running average moves.
    pub train: bool,
    /// How weights start.
    pub scheme: Scheme,
    /// Epsilon of batch norm.
    pub bn_eps: f32,
    /// Share of the batch in the new running statistics.
    pub bn_momentum: f32,
}

impl<'a> Net<'a> {
    /// With PyTorch's defaults.
    pub fn new(graph: &'a mut Graph, train: bool) -> Self {
        Self { graph, train, scheme: Scheme::PyTorch, bn_eps: 1e-5, bn_momentum: 0.1 }
    }

    /// Runs `f` with `name` appended to the names of parameters.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn scoped<T>(&mut self, name: &str, f: impl FnOnce(&mut Net<'_>) -> Result<T>) -> Result<T> {
        let (train, scheme, bn_eps, bn_momentum) = (self.train, self.scheme, self.bn_eps, self.bn_momentum);
        self.graph.scoped(name, |graph| f(&mut Net { graph, train, scheme, bn_eps, bn_momentum }))
    }

    /// 3x3 convolution with stride 1 and "same" padding that a rectifier follows, over the channels of one or two
    /// sources, with the parameters `name.weight` and, where `bias`, `name.bias`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the sources differ in size.
    pub fn conv(&mut self, name: &str, sources: &[Var], out: usize, bias: bool) -> Result<Var> {
        self.same_conv(name, sources, out, 3, bias)
    }

    /// 1x1 convolution that no rectifier follows, over the channels of one or two sources, with the parameters
    /// `name.weight` and, where `bias`, `name.bias`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if the sources differ in size.
    pub fn project(&mut self, name: &str, sources: &[Var], out: usize, bias: bool) -> Result<Var> {
        self.same_conv(name, sources, out, 1, bias)
    }

    fn same_conv(
        &mut self,
        name: &str,
        sources: &[Var],
        out: usize,
        kernel: usize,
        bias: bool,
    ) -> Result<Var> {
        let channels: Vec<usize> = sources.iter().map(|v| self.graph.shape(*v).c).collect();
        let (fan_in, fan_out) = (channels.iter().sum::<usize>() * kernel * kernel, out * kernel * kernel);
        let layout = Layout::Conv { out, sources: channels, kernel: [kernel; 2] };
        let mut inputs = sources.to_vec();
        let init = self.scheme.weight(fan_in, fan_out, kernel > 1);
        inputs.push(self.graph.param(&format!("{name}.weight"), layout, init));
        if bias {
            inputs.push(self.graph.param(
                &format!("{name}.bias"),
                Layout::Vector(out),
                self.scheme.bias(fan_in),
            ));
        }
        let geometry = Geometry::square(kernel, 1, kernel / 2);
        self.graph.apply(Conv2d { sources: sources.len(), bias, ..Conv2d::new(geometry) }, &inputs)
    }

    /// Transposed convolution that doubles the size, kernel 2, stride 2, with bias.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] as the operator raises it.
    pub fn up_conv(&mut self, name: &str, x: Var, out: usize) -> Result<Var> {
        let input = self.graph.shape(x).c;
        // PyTorch takes the fan in of a transposed convolution from its output channels.
        let (fan_in, fan_out) = (out * 4, input * 4);
        let layout = Layout::ConvTranspose { input, out, kernel: [2; 2] };
        let init = self.scheme.weight(fan_in, fan_out, false);
        let weight = self.graph.param(&format!("{name}.weight"), layout, init);
        let bias = self.graph.param(&format!("{name}.bias"), Layout::Vector(out), self.scheme.bias(fan_in));
        let op = ConvTranspose2d {
            channels: out,
            bias: true,
            ..ConvTranspose2d::new(Geometry::square(2, 2, 0), [0; 2])
        };
        self.graph.apply(op, &[x, weight, bias])
    }

    /// Batch norm with the parameters `name.weight` and `name.bias` and the running statistics
    /// `name.running_mean` and `name.running_var`; where `step` is given those of that step of a recurrence,
    /// `name.running_mean.<step>`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] as the operator raises it.
    pub fn batch_norm(&mut self, name: &str, x: Var, step: Option<usize>) -> Result<Var> {
        let layout = Layout::Vector(self.graph.shape(x).c);
        let suffix = step.map(|s| format!(".{s}")).unwrap_or_default();
        let (one, zero) = (Init::Constant(1.0), Init::Constant(0.0));
        let weight = self.graph.param(&format!("{name}.weight"), layout.clone(), one);
        let bias = self.graph.param(&format!("{name}.bias"), layout.clone(), zero);
        let mean = self.graph.state(&format!("{name}.running_mean{suffix}"), layout.clone(), zero);
        let var = self.graph.state(&format!("{name}.running_var{suffix}"), layout, one);
        self.graph
            .apply(BatchNorm::new(self.train, self.bn_eps, self.bn_momentum), &[x, weight, bias, mean, var])
    }

    /// An activation.
    ///
    /// # Errors
    /// None in practice.
    pub fn act(&mut self, act: Act, x: Var) -> Result<Var> {
        self.graph.apply(Activation::new(act), &[x])
    }

    /// `a + b`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if b cannot be broadcast to a.
    pub fn add(&mut self, a: Var, b: Var) -> Result<Var> {
        self.graph.apply(Binary::new(BinaryKind::Add), &[a, b])
    }

    /// `a * b`, b broadcast.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if b cannot be broadcast to a.
    pub fn mul(&mut self, a: Var, b: Var) -> Result<Var> {
        self.graph.apply(Binary::new(BinaryKind::Mul), &[a, b])
    }

    /// Convolution `conv`, batch norm `norm`, ReLU.
    ///
    /// # Errors
    /// As the layers.
    pub fn conv_bn_relu(&mut self, conv: &str, norm: &str, sources: &[Var], out: usize) -> Result<Var> {
        let z = self.conv(conv, sources, out, true)?;
        let z = self.batch_norm(norm, z, None)?;
        self.act(Act::Relu, z)
    }
}

//! Layers: an operator with its parameters.

use crate::{
    Result,
    graph::{Graph, Init, Layout, Var},
    ops::{
        Act, Activation, BatchNorm, Binary, BinaryKind, Conv2d, ConvTranspose2d, Dropout, Geometry, WORDS,
    },
};

/// Name of the input that holds the raw words of a training step, which dropped paths are a function of. It is
/// there where [`Net::drop_path`] drops any; see [`Graph::input_named`].
pub const STEP_WORDS: &str = "words of the step";

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
    /// Normal with deviation sqrt(2 / fan out) on every layer, as public EfficientNets begin; a group counts its own
    /// outputs alone.
    FanOut,
    /// Uniform in +-sqrt(6 / fan in) on every layer (He et al. 2015), as public decoders begin.
    Kaiming,
    /// Each part of a network as its public code has it: PyTorch's default where that says nothing.
    Public,
}

impl Scheme {
    fn weight(self, fan_in: usize, fan_out: usize, rectified: bool) -> Init {
        match self {
            Self::PyTorch | Self::Public => Init::Uniform(1.0 / (fan_in as f32).sqrt()),
            Self::He => Init::Normal((if rectified { 2.0 } else { 1.0 / 3.0 } / fan_in as f32).sqrt()),
            Self::Printed => Init::Normal(2.0 / (fan_in as f32).sqrt()),
            Self::Xavier => Init::Uniform((6.0 / (fan_in + fan_out) as f32).sqrt()),
            Self::FanOut => Init::Normal((2.0 / fan_out as f32).sqrt()),
            Self::Kaiming => Init::Uniform((6.0 / fan_in as f32).sqrt()),
        }
    }

    fn bias(self, fan_in: usize) -> Init {
        match self {
            Self::PyTorch | Self::Public => Init::Uniform(1.0 / (fan_in as f32).sqrt()),
            _ => Init::Constant(0.0),
        }
    }
}

/// What a convolution is beside its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvForm {
    /// Kernel, stride, padding, groups.
    pub geometry: Geometry,
    /// Adds a bias.
    pub bias: bool,
    /// A rectifier, or something like one, follows; some ways to start weights ask.
    pub rectified: bool,
}

impl ConvForm {
    /// 1x1, without bias.
    pub const fn pointwise(rectified: bool) -> Self {
        Self { geometry: Geometry::square(1, 1, 0), bias: false, rectified }
    }

    /// With a bias.
    #[must_use]
    pub const fn biased(self) -> Self {
        Self { bias: true, ..self }
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
    /// Layers keep their weights and statistics: they are kept buffers and no trained parameters, and even in training
    /// they compute as in evaluation.
    pub frozen: bool,
}

impl<'a> Net<'a> {
    /// With PyTorch's defaults.
    pub fn new(graph: &'a mut Graph, train: bool) -> Self {
        Self { graph, train, scheme: Scheme::PyTorch, bn_eps: 1e-5, bn_momentum: 0.1, frozen: false }
    }

    /// Runs `f` with `name` appended to the names of parameters.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn scoped<T>(&mut self, name: &str, f: impl FnOnce(&mut Net<'_>) -> Result<T>) -> Result<T> {
        let Self { train, scheme, bn_eps, bn_momentum, frozen, .. } = *self;
        self.graph.scoped(name, |graph| f(&mut Net { graph, train, scheme, bn_eps, bn_momentum, frozen }))
    }

    /// A parameter, or a kept buffer where layers are frozen.
    fn param(&mut self, name: &str, layout: Layout, init: Init) -> Var {
        match self.frozen {
            true => self.graph.state(name, layout, init),
            false => self.graph.param(name, layout, init),
        }
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
        let geometry = Geometry::square(kernel, 1, kernel / 2);
        self.conv_of(name, sources, out, ConvForm { geometry, bias, rectified: kernel > 1 })
    }

    /// Any convolution, over the channels of one source, or of two where it is dense, with the parameters
    /// `name.weight` and, where there is one, `name.bias`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if sources, groups and output channels do not fit together.
    pub fn conv_of(&mut self, name: &str, sources: &[Var], out: usize, form: ConvForm) -> Result<Var> {
        let ConvForm { geometry, bias, rectified } = form;
        let channels: Vec<usize> = sources.iter().map(|v| self.graph.shape(*v).c).collect();
        let (groups, taps) = (geometry.groups.max(1), geometry.taps());
        let per_group = channels.iter().sum::<usize>() / groups;
        let (fan_in, fan_out) = (per_group * taps, out / groups * taps);
        let layout = match groups {
            1 => Layout::Conv { out, sources: channels, kernel: geometry.kernel },
            _ => Layout::Grouped { out, per_group, kernel: geometry.kernel },
        };
        let mut inputs = sources.to_vec();
        let init = self.scheme.weight(fan_in, fan_out, rectified);
        inputs.push(self.param(&format!("{name}.weight"), layout, init));
        if bias {
            let init = self.scheme.bias(fan_in);
            inputs.push(self.param(&format!("{name}.bias"), Layout::Vector(out), init));
        }
        self.graph.apply(Conv2d { sources: sources.len(), bias, ..Conv2d::new(geometry) }, &inputs)
    }

    /// Transposed convolution that doubles the size, kernel 2, stride 2, with bias.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] as the operator raises it.
    pub fn up_conv(&mut self, name: &str, x: Var, out: usize) -> Result<Var> {
        let form = ConvForm { geometry: Geometry::square(2, 2, 0), bias: true, rectified: false };
        self.up_conv_of(name, x, out, form, [0; 2])
    }

    /// Transposed convolution, the adjoint of a dense convolution of the form's geometry, that adds `output_padding` rows and
    /// columns at the bottom and right; with the parameters `name.weight` and, where there is one, `name.bias`.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] as the operator raises it.
    pub fn up_conv_of(
        &mut self,
        name: &str,
        x: Var,
        out: usize,
        form: ConvForm,
        output_padding: [usize; 2],
    ) -> Result<Var> {
        let ConvForm { geometry, bias, rectified } = form;
        let input = self.graph.shape(x).c;
        // PyTorch takes the fan in of a transposed convolution from its output channels.
        let (fan_in, fan_out) = (out * geometry.taps(), input * geometry.taps());
        let layout = Layout::ConvTranspose { input, out, kernel: geometry.kernel };
        let init = self.scheme.weight(fan_in, fan_out, rectified);
        let mut inputs = vec![x, self.param(&format!("{name}.weight"), layout, init)];
        if bias {
            let init = self.scheme.bias(fan_in);
            inputs.push(self.param(&format!("{name}.bias"), Layout::Vector(out), init));
        }
        let op = ConvTranspose2d { channels: out, bias, ..ConvTranspose2d::new(geometry, output_padding) };
        self.graph.apply(op, &inputs)
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
        let weight = self.param(&format!("{name}.weight"), layout.clone(), one);
        let bias = self.param(&format!("{name}.bias"), layout.clone(), zero);
        let mean = self.graph.state(&format!("{name}.running_mean{suffix}"), layout.clone(), zero);
        let var = self.graph.state(&format!("{name}.running_var{suffix}"), layout, one);
        let op = BatchNorm::new(self.train && !self.frozen, self.bn_eps, self.bn_momentum);
        self.graph.apply(op, &[x, weight, bias, mean, var])
    }

    /// In training drops each picture of `x` as a whole with probability `p`, and scales up the others (stochastic
    /// depth, Huang et al. 2016); else `x` itself. Which ones is a function of the input [`STEP_WORDS`].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `p` is no probability below 1.
    pub fn drop_path(&mut self, p: f32, x: Var) -> Result<Var> {
        if !self.train || self.frozen || p == 0.0 {
            return Ok(x);
        }
        let known = self.graph.input_named(STEP_WORDS);
        let words = known.unwrap_or_else(|| self.graph.input(STEP_WORDS, WORDS));
        let salt = self.graph.nodes.iter().filter(|node| node.op.is::<Dropout>().is_some()).count();
        self.graph.apply(Dropout::of_pictures(p, salt as u32), &[x, words])
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

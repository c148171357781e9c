//! Pointwise activations and their derivatives.

use std::sync::Arc;

use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Lowering, Node, Operator, Shape, Var},
};

/// An activation function.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Act {
    /// v
    #[default]
    Identity,
    /// max(v, 0)
    Relu,
    /// min(max(v, 0), 6)
    Relu6,
    /// v where positive, slope * v elsewhere
    LeakyRelu(f32),
    /// v * relu6(v + 3) / 6
    Hardswish,
    /// v * sigmoid(v), also called swish
    Silu,
    /// 1 / (1 + exp(-v))
    Sigmoid,
    /// Hyperbolic tangent
    Tanh,
    /// log(1 + exp(v))
    Softplus,
}

impl Act {
    /// All but the identity, for tests and benchmarks.
    pub const ALL: [Self; 8] = [
        Self::Relu,
        Self::Relu6,
        Self::LeakyRelu(0.01),
        Self::Hardswish,
        Self::Silu,
        Self::Sigmoid,
        Self::Tanh,
        Self::Softplus,
    ];

    /// Name of the shader feature.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::Relu6 => "relu6",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Hardswish => "hardswish",
            Self::Silu => "silu",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Softplus => "softplus",
        }
    }

    /// Slope of the leaky ReLU, else zero.
    pub const fn slope(self) -> f32 {
        if let Self::LeakyRelu(slope) = self { slope } else { 0.0 }
    }

    /// True where the derivative can be told from the value after the activation.
    pub const fn known_by_output(self) -> bool {
        matches!(self, Self::Relu | Self::Relu6 | Self::Sigmoid | Self::Tanh | Self::Identity)
            || matches!(self, Self::LeakyRelu(slope) if slope > 0.0)
    }

    /// The function in f64.
    pub fn value(self, v: f64) -> f64 {
        match self {
            Self::Identity => v,
            Self::Relu => v.max(0.0),
            Self::Relu6 => v.clamp(0.0, 6.0),
            Self::LeakyRelu(slope) if v <= 0.0 => f64::from(slope) * v,
            Self::LeakyRelu(_) => v,
            Self::Hardswish => v * (v + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Silu => v * sigmoid(v),
            Self::Sigmoid => sigmoid(v),
            Self::Tanh => v.tanh(),
            Self::Softplus => v.max(0.0) + (-v.abs()).exp().ln_1p(),
        }
    }

    /// The derivative in f64 by the value before the activation.
    pub fn derivative(self, v: f64) -> f64 {
        let one_where = |b: bool| f64::from(u8::from(b));
        match self {
            Self::Identity => 1.0,
            Self::Relu => one_where(v > 0.0),
            Self::Relu6 => one_where(v > 0.0 && v < 6.0),
            Self::LeakyRelu(slope) => {
                if v > 0.0 {
                    1.0
                } else {
                    f64::from(slope)
                }
            }
            Self::Hardswish if v.abs() < 3.0 => v / 3.0 + 0.5,
            Self::Hardswish => one_where(v >= 3.0),
            Self::Silu => sigmoid(v) * (1.0 + v * (1.0 - sigmoid(v))),
            Self::Sigmoid => sigmoid(v) * (1.0 - sigmoid(v)),
            Self::Tanh => 1.0 - v.tanh().powi(2),
            Self::Softplus => sigmoid(v),
        }
    }

    /// The derivative in f64 by the value after the activation.
    fn derivative_of_output(self, y: f64) -> f64 {
        match self {
            Self::Sigmoid => y * (1.0 - y),
            Self::Tanh => 1.0 - y * y,
            // The piecewise linear ones keep sign and order.
            _ => self.derivative(y),
        }
    }
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Forward,
    OfInput,
    OfOutput,
}

/// `y = act(x)`, or one of its gradients.
#[derive(Clone, Debug)]
pub struct Activation {
    /// Which function.
    pub act: Act,
    form: Form,
}

impl Activation {
    /// `y = act(x)`; input x.
    pub const fn new(act: Act) -> Self {
        Self { act, form: Form::Forward }
    }

    /// `dx = dy * act'(x)`; inputs x, dy.
    pub const fn backward_of_input(act: Act) -> Self {
        Self { act, form: Form::OfInput }
    }

    /// `dx = dy * act'(x)` told from `y = act(x)`; inputs y, dy.
    pub const fn backward_of_output(act: Act) -> Self {
        Self { act, form: Form::OfOutput }
    }

    /// True for the function itself.
    pub fn is_forward(&self) -> bool {
        self.form == Form::Forward
    }
}

impl Operator for Activation {
    fn name(&self) -> &'static str {
        "activation"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [x, rest @ ..] if rest.iter().all(|s| s == x) => Ok(vec![*x]),
            _ => Err(Error::shape("activation", format!("shapes differ: {inputs:?}"))),
        }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        let (Some(dy), true) = (b.dy(), self.is_forward()) else {
            return Err(Error::shape("activation", "second derivatives are not built"));
        };
        // By the output where that is enough: the input can then be freed.
        let (op, seen) = if self.act.known_by_output() {
            (Self::backward_of_output(self.act), b.output(0))
        } else {
            (Self::backward_of_input(self.act), b.input(0))
        };
        let dx = b.graph.apply(op, &[seen, dy])?;
        b.give(0, dx);
        Ok(())
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let shape = l.output_shape(0);
        let variant = Variant::new("activation")
            .feature(self.act.name(), self.act != Act::Identity)
            .feature("of_input", self.form == Form::OfInput)
            .feature("of_output", self.form == Form::OfOutput);
        let params = vec![
            ("size", shape.vec4s().into()),
            ("c4", shape.c4().into()),
            ("channels", shape.c.into()),
            ("slope", self.act.slope().into()),
        ];
        let mut buffers = vec![Access::Write(l.output(0))];
        buffers.extend((0..l.inputs()).map(|i| Access::Read(l.input(i))));
        l.dispatch(variant, params, buffers, shape.vec4s());
        Ok(())
    }

    fn again(&self, node: &Node) -> Option<(Arc<dyn Operator>, Vec<Var>)> {
        Some((Arc::new(self.clone()), node.inputs.clone()))
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let slope = |v: f64| match self.form {
            Form::OfOutput => self.act.derivative_of_output(v),
            _ => self.act.derivative(v),
        };
        let mut y = inputs[0].map(|v| if self.is_forward() { self.act.value(v) } else { slope(v) });
        if let Some(dy) = inputs.get(1) {
            y.data.iter_mut().zip(&dy.data).for_each(|(a, b)| *a *= b);
        }
        vec![y]
    }
}

//! Batch norm by statistics that are known: its second half, which recomputation repeats in the backward pass.

use super::{Act, BatchNorm, Join};
use crate::{
    Error, Result,
    gpu::Variant,
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape, Var},
};

/// Pixels that one invocation normalises.
pub(super) const RUN: usize = 8;

/// `y = act(gamma * (x - mean) * rstd + beta)`, with a second tensor added before or after the activation.
///
/// Inputs: x, statistics `[2, C]` (mean and 1 / deviation), gamma, beta (each `[C]`), and where `join` says so a
/// tensor shaped like x. Has no gradient: [`BatchNorm`] has.
#[derive(Clone, Debug)]
pub struct BatchNormApply {
    /// Applied last, or before the second tensor is added.
    pub act: Act,
    /// Where the second tensor is added.
    pub join: Join,
}

impl BatchNormApply {
    /// Adds the dispatch that makes `y` of x, statistics, gamma, beta and the second tensor.
    pub(super) fn dispatch(&self, l: &mut Lowering<'_>, x: Shape, y: Var, inputs: &[Var]) {
        let variant = Variant::new("batch_norm_apply")
            .feature("before", self.join == Join::Before)
            .feature("after", self.join == Join::After)
            .feature(self.act.name(), self.act != Act::Identity)
            .constant("RUN", RUN as u32);
        let params = vec![
            ("pixels", x.pixels().into()),
            ("c4", x.c4().into()),
            ("channels", x.c.into()),
            ("slope", self.act.slope().into()),
        ];
        let mut buffers = vec![Access::Write(y)];
        buffers.extend(inputs.iter().map(|v| Access::Read(*v)));
        l.dispatch(variant, params, buffers, x.pixels().div_ceil(RUN) * x.c4());
    }
}

impl Operator for BatchNormApply {
    fn name(&self) -> &'static str {
        "batch_norm_apply"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        let x = inputs[0];
        let wanted = [Shape::new(1, 1, 2, x.c), Shape::channels(x.c), Shape::channels(x.c)];
        let joined = self.join == Join::None || inputs.get(4) == Some(&x);
        if inputs[1..4] != wanted || !joined {
            return Err(Error::shape("batch_norm_apply", format!("{:?} do not fit {x}", &inputs[1..])));
        }
        Ok(vec![x])
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        Cost::elementwise(4, inputs, outputs)
    }

    fn gradient(&self, _: &mut Backward<'_>) -> Result<()> {
        Err(Error::shape(self.name(), "has no gradient; batch norm has"))
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let inputs: Vec<Var> = (0..l.inputs()).map(|i| l.input(i)).collect();
        self.dispatch(l, l.input_shape(0), l.output(0), &inputs);
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let (x, c) = (&inputs[0], inputs[0].shape.c);
        let (mean, rstd) = inputs[1].data.split_at(c);
        let (gamma, beta) = (&inputs[2].data, &inputs[3].data);
        let plain =
            Array::from_fn(x.shape, |n, h, w, k| (x.at(n, h, w, k) - mean[k]) * rstd[k] * gamma[k] + beta[k]);
        vec![BatchNorm::twin_joined(plain, self.act, self.join, inputs.get(4))]
    }

    fn exact_inputs(&self) -> Vec<usize> {
        vec![1]
    }
}

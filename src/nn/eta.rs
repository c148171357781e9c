//! Efficient temporal attention, which the abstract of the SiGREnet paper names and nothing defines.

use super::{ConvForm, Net};
use crate::{
    Result,
    graph::Var,
    ops::{Act, Broadcast, Geometry, Keep, Reduce},
};

/// Attention over the steps of a recurrence, as gyre defines it: `R(t) = R(t-1) + S(R(t-1))` for `steps` steps from `R
/// = F`, with S a depthwise separable 3x3 convolution, and as the result F and the sum of all R(t), each channel times
/// the sigmoid of a 1x1 convolution of that step's channel means, over the number of steps. The attention is that of
/// efficient channel attention networks (Wang et al. 2020) with a full matrix. All steps share the parameters `s.dw`,
/// `s.pw` and `attend`, each with a bias. From and to `[N, H, W, C]`.
///
/// # Errors
/// As the layers.
pub fn eta(net: &mut Net<'_>, features: Var, steps: usize) -> Result<Var> {
    let shape = net.graph.shape(features);
    let geometry = Geometry::square(3, 1, 1).grouped(shape.c);
    let depthwise = ConvForm { geometry, bias: true, rectified: false };
    let (mut state, mut sum) = (features, None);
    for _ in 0..steps {
        let s = net.conv_of("s.dw", &[state], shape.c, depthwise)?;
        let s = net.project("s.pw", &[s], shape.c, true)?;
        state = net.add(state, s)?;
        let means = net.graph.apply(Reduce::mean(Keep::PictureChannels, shape), &[state])?;
        let share = net.project("attend", &[means], shape.c, true)?;
        let share = net.act(Act::Sigmoid, share)?;
        let seen = net.mul(state, share)?;
        sum = Some(match sum {
            Some(sum) => net.add(sum, seen)?,
            None => seen,
        });
    }
    let Some(sum) = sum else { return Ok(features) };
    let mean = net.graph.apply(Broadcast { to: shape, scale: 1.0 / steps as f32 }, &[sum])?;
    net.add(mean, features)
}

//! Recurrent convolution units (Liang and Hu 2015; R2U-Net, Alom et al. 2018).

use super::Net;
use crate::{Result, graph::Var, ops::Act};

/// How often a unit is applied and what its applications share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// Recurrence steps; the unit is applied t + 1 times.
    pub t: usize,
    /// Running statistics of batch norm for each step. With one set for all, as the public code has it, they
    /// average over steps whose statistics differ, and evaluation does not match training.
    pub bn_per_step: bool,
}

impl Recurrence {
    fn step(self, step: usize) -> Option<usize> {
        self.bn_per_step.then_some(step)
    }
}

/// The public R2U-Net's unit: `p = ReLU(BN(conv(x)))`, then t times `p = ReLU(BN(conv(x + p)))` with the same
/// convolution. Parameters `conv.0` and `conv.1`.
///
/// # Errors
/// As the layers.
pub fn recurrent_block(net: &mut Net<'_>, x: Var, r: Recurrence) -> Result<Var> {
    let c = net.graph.shape(x).c;
    let mut seen = x;
    for step in 0..=r.t {
        let z = net.conv("conv.0", &[seen], c, true)?;
        let z = net.batch_norm("conv.1", z, r.step(step))?;
        let p = net.act(Act::Relu, z)?;
        seen = if step < r.t { net.add(p, x)? } else { p };
    }
    Ok(seen)
}

/// The public R2U-Net's block: a 1x1 convolution `Conv_1x1` to `out` channels, and two recurrent units
/// `RCNN.0`, `RCNN.1` whose result is added to it.
///
/// # Errors
/// As the layers.
pub fn rrcnn_block(net: &mut Net<'_>, sources: &[Var], out: usize, r: Recurrence) -> Result<Var> {
    // The public code registers the units before the 1x1 convolution; parameters are found by name.
    let x = net.project("Conv_1x1", sources, out, true)?;
    let first = net.scoped("RCNN.0", |net| recurrent_block(net, x, r))?;
    let second = net.scoped("RCNN.1", |net| recurrent_block(net, first, r))?;
    net.add(second, x)
}

/// The paper's unit (eqs 4 to 6): `Z_0 = ff * x + b`, `Z_k = ff * x + b + rec * p_(k-1)`, `p = BN(ReLU(Z))`,
/// ReLU before batch norm. With `share` one kernel serves both: `Z_k = ff * (x + p_(k-1)) + b`.
/// Parameters `ff`, `rec` (not shared) and `bn`.
///
/// # Errors
/// As the layers.
pub fn recurrent_unit(net: &mut Net<'_>, x: Var, share: bool, r: Recurrence) -> Result<Var> {
    let c = net.graph.shape(x).c;
    let forward = net.conv("ff", &[x], c, true)?;
    let mut p = normed(net, forward, r.step(0))?;
    for step in 1..=r.t {
        let z = if share {
            let seen = net.add(p, x)?;
            net.conv("ff", &[seen], c, true)?
        } else {
            let recurrent = net.conv("rec", &[p], c, false)?;
            net.add(recurrent, forward)?
        };
        p = normed(net, z, r.step(step))?;
    }
    Ok(p)
}

fn normed(net: &mut Net<'_>, z: Var, step: Option<usize>) -> Result<Var> {
    let active = net.act(Act::Relu, z)?;
    net.batch_norm("bn", active, step)
}

//! Additive attention gates (Oktay et al. 2018).

use super::Net;
use crate::{Result, graph::Var, ops::Act};

/// The public Attention U-Net's gate: `x * sigmoid(BN(psi(ReLU(BN(W_g g) + BN(W_x x)))))`, with `inner`
/// channels inside. `g` has the size of `x`. Parameters `W_g.0`, `W_g.1`, `W_x.0`, `W_x.1`, `psi.0`, `psi.1`.
///
/// # Errors
/// As the layers.
pub fn attention_gate(net: &mut Net<'_>, g: Var, x: Var, inner: usize) -> Result<Var> {
    let from_x = net.project("W_x.0", &[x], inner, true)?;
    let from_x = net.batch_norm("W_x.1", from_x, None)?;
    let from_g = net.project("W_g.0", &[g], inner, true)?;
    let from_g = net.batch_norm("W_g.1", from_g, None)?;
    let sum = net.add(from_g, from_x)?;
    let active = net.act(Act::Relu, sum)?;
    let psi = net.project("psi.0", &[active], 1, true)?;
    let psi = net.batch_norm("psi.1", psi, None)?;
    let alpha = net.act(Act::Sigmoid, psi)?;
    net.mul(x, alpha)
}

/// Settings of [`plain_gate`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GateForm {
    /// Non-linearity inside; the paper prefers tanh.
    pub act: Act,
    /// Batch norm after each of the three convolutions.
    pub norm: bool,
}

/// The paper's gate (eqs 1 and 2): `x * sigmoid(psi(act(wg g + wx x + b)) + b_psi)`, with `inner` channels
/// inside. Parameters `wg` (with a bias only under batch norm), `wx`, `psi`, and `bn_g`, `bn_x`, `bn_psi`.
///
/// # Errors
/// As the layers.
pub fn plain_gate(net: &mut Net<'_>, g: Var, x: Var, inner: usize, form: GateForm) -> Result<Var> {
    let normed = |net: &mut Net<'_>, conv: &str, norm: &str, v: Var, out: usize, bias: bool| {
        let z = net.project(conv, &[v], out, bias)?;
        if form.norm { net.batch_norm(norm, z, None) } else { Ok(z) }
    };
    let from_g = normed(net, "wg", "bn_g", g, inner, form.norm)?;
    let from_x = normed(net, "wx", "bn_x", x, inner, true)?;
    let sum = net.add(from_x, from_g)?;
    let active = net.act(form.act, sum)?;
    let psi = normed(net, "psi", "bn_psi", active, 1, true)?;
    let alpha = net.act(Act::Sigmoid, psi)?;
    net.mul(x, alpha)
}

//! From the keys of a descent to the descent.

use crate::{
    models::{Descent, EdgeFilter, Energy},
    ops::energy::{EntmaxKind, Retrieval, Rule, Through},
    train::config::{
        Compatibility, DescentConfig, EdgeFilterName, EnergyName, GradientThrough, RetrievalName, RuleName,
    },
};

pub(super) fn of(d: &DescentConfig) -> Option<Descent> {
    let energy = match d.energy {
        EnergyName::None => return None,
        EnergyName::Som => Energy::Som,
        EnergyName::Crf => Energy::Crf,
        EnergyName::Hopfield => Energy::Hopfield,
        EnergyName::Hybrid => Energy::Hybrid,
        EnergyName::Ensemble => Energy::Ensemble,
    };
    Some(Descent {
        energy,
        level: d.level,
        steps: d.steps,
        rate: d.step_size as f32,
        through: match d.gradient {
            GradientThrough::Unrolled => Through::Unrolled,
            GradientThrough::Truncated => Through::Last(d.gradient_steps),
            GradientThrough::Implicit => Through::Implicit(d.gradient_steps),
        },
        anchor: d.anchor as f32,
        tolerance: d.tolerance as f32,
        stretch: d.stretch,
        rule: match d.rule {
            RuleName::Equilibrium => Rule::Equilibrium { include_self: d.include_self },
            RuleName::Response => Rule::Response { literal: false },
            RuleName::Literal => Rule::Response { literal: true },
        },
        filter: match d.filter {
            EdgeFilterName::Laplacian => EdgeFilter::Laplacian,
            EdgeFilterName::Hessian => EdgeFilter::Hessian,
            EdgeFilterName::Learned => EdgeFilter::Learned,
        },
        threshold: d.threshold as f32,
        softness: d.softness as f32,
        smoothing: d.smoothing as f32,
        bandwidth: d.bandwidth as f32,
        neighbour_norm: d.neighbour_norm,
        matrix: d.compatibility == Compatibility::Matrix,
        normalised: d.normalise,
        patch: d.patch,
        memories: d.memories,
        beta: d.beta as f32,
        retrieval: match d.retrieval {
            RetrievalName::Softmax => Retrieval::Softmax,
            RetrievalName::Relu => Retrieval::Relu,
            RetrievalName::Sparsemax => Retrieval::Sparse(EntmaxKind::Sparsemax),
            RetrievalName::Entmax => Retrieval::Sparse(EntmaxKind::Entmax15),
        },
    })
}

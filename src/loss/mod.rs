//! Losses: operators that compute a scalar and, in the same passes, its gradient by the logits.

mod bce;
mod overlap;
pub mod samples;

use serde_json::Value;

pub use bce::Bce;
pub use overlap::{ClassReduction, Focus, Link, Overlap, Scope};

use crate::{
    Error, Result,
    graph::{Backward, Graph, Shape, Var},
    ops::{Binary, BinaryKind},
};

/// A loss, ready to be put into a graph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossSpec {
    /// Binary cross-entropy, mean over all elements.
    Bce,
    /// Dice, Tversky or focal Tversky.
    Overlap(Overlap),
}

/// What a named loss is built from; each loss takes what it knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossOptions {
    /// Tversky: weight of false positives.
    pub alpha: f32,
    /// Tversky: weight of false negatives.
    pub beta: f32,
    /// Focal Tversky: exponent of `1 - T`.
    pub gamma: f32,
    /// Focal Tversky: least value of `1 - T`.
    pub least: f32,
    /// Dice, Tversky: what is added above and below the fraction line, pixels.
    pub smooth: f32,
    /// Dice, Tversky: what is summed over before dividing.
    pub scope: Scope,
    /// Dice, Tversky: how probabilities are made. Cross-entropy has a sigmoid.
    pub link: Link,
    /// Dice, Tversky: how the losses of the classes are joined.
    pub class_reduction: ClassReduction,
    /// Dice, Tversky: whether channel 0 counts.
    pub include_background: bool,
}

impl Default for LossOptions {
    fn default() -> Self {
        Self {
            alpha: 0.3,
            beta: 0.7,
            gamma: 0.75,
            least: 1e-7,
            smooth: 1.0,
            scope: Scope::Batch,
            link: Link::Sigmoid,
            class_reduction: ClassReduction::Mean,
            include_background: true,
        }
    }
}

impl LossSpec {
    /// The names that [`Self::named`] knows.
    pub const NAMES: [&'static str; 4] = ["bce", "dice", "tversky", "focal_tversky"];

    /// The loss of that name.
    ///
    /// # Errors
    /// [`Error::Config`] for an unknown name, for cross-entropy with a softmax, and for numbers outside
    /// their range.
    pub fn named(name: &str, options: &LossOptions) -> Result<Self> {
        let o = options;
        let overlap = match name {
            "bce" if o.link == Link::Softmax => {
                return Err(Error::Config("the loss bce is of sigmoids, not of a softmax".into()));
            }
            "bce" => return Ok(Self::Bce),
            "dice" => Overlap::dice(o.smooth),
            "tversky" => Overlap::tversky(o.alpha, o.beta, o.smooth),
            "focal_tversky" => Overlap {
                focus: Some(Focus { gamma: o.gamma, least: o.least }),
                ..Overlap::tversky(o.alpha, o.beta, o.smooth)
            },
            _ => {
                let names = Self::NAMES.join(", ");
                return Err(Error::Config(format!("there is no loss {name:?}; there are {names}")));
            }
        };
        let not_negative = [overlap.alpha, overlap.beta, overlap.smooth];
        let powers = overlap.focus.map_or([1.0; 2], |f| [f.gamma, f.least]);
        if !not_negative.iter().all(|v| v.is_finite() && *v >= 0.0)
            || !powers.iter().all(|v| v.is_finite() && *v > 0.0)
        {
            return Err(Error::Config(format!(
                "the loss {name} wants alpha, beta and smooth of 0 or more and gamma above 0, got {o:?}"
            )));
        }
        Ok(Self::Overlap(Overlap {
            scope: o.scope,
            link: o.link,
            class_reduction: o.class_reduction,
            include_background: o.include_background,
            ..overlap
        }))
    }

    /// Adds the loss of `logits` `[N,H,W,C]` against `target` of that shape (0 to 1; one-hot over the
    /// channels for softmax). Returns the scalar loss and its gradient by the logits.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes differ or no class is left.
    pub fn build(&self, graph: &mut Graph, logits: Var, target: Var) -> Result<(Var, Var)> {
        let inputs = [logits, target];
        let made = match *self {
            Self::Bce => graph.apply_all(Bce, &inputs)?,
            Self::Overlap(op) => graph.apply_all(op, &inputs)?,
        };
        match made[..] {
            [loss, dlogits] => Ok((loss, dlogits)),
            _ => Err(Error::shape("loss", "has other outputs than the loss and its gradient")),
        }
    }
}

/// The loss that a reference case describes: `name` with the settings in `attrs`. None for losses and
/// settings that are not built.
pub fn spec_from_attrs(name: &str, attrs: &Value) -> Option<LossSpec> {
    let text = |key: &str| attrs.get(key).and_then(Value::as_str);
    let says = |key: &str, wanted: &str| text(key).is_none_or(|v| v == wanted);
    let conventions = [
        ("alpha_weights", "FP"),
        ("beta_weights", "FN"),
        ("smooth_in", "numerator and denominator"),
        ("formula", "max(1-T, clamp)^gamma"),
    ];
    let reduction = if name == "bce" { "mean" } else { "mean over remaining axes" };
    let channels = attrs.get("axis").is_none_or(|v| v.as_i64() == Some(1));
    if !says("reduction", reduction) || !channels || !conventions.iter().all(|(k, v)| says(k, v)) {
        return None;
    }
    let d = LossOptions::default();
    let number = |key: &str, or: f32| attrs.get(key).map_or(Some(or), |v| v.as_f64().map(|v| v as f32));
    let options = LossOptions {
        alpha: number("alpha", d.alpha)?,
        beta: number("beta", d.beta)?,
        gamma: number("gamma", d.gamma)?,
        least: number("clamp", d.least)?,
        smooth: number("smooth", d.smooth)?,
        scope: match text("scope") {
            None | Some("batch") => Scope::Batch,
            Some("image") => Scope::Image,
            Some(_) => return None,
        },
        link: match text("activation") {
            None | Some("sigmoid") => Link::Sigmoid,
            Some("softmax") => Link::Softmax,
            Some(_) => return None,
        },
        class_reduction: match text("class_reduction") {
            None | Some("mean") => ClassReduction::Mean,
            Some("sum") => ClassReduction::Sum,
            Some(_) => return None,
        },
        include_background: attrs.get("include_background").map_or(Some(true), Value::as_bool)?,
    };
    LossSpec::named(name, &options).ok()
}

/// Most workgroups that one sum is split over.
const SHARES: usize = 256;

/// Workgroups to split each of `sums` sums over `items` elements into: enough for the device to be busy,
/// with enough for each to do.
fn shares(items: usize, sums: usize) -> usize {
    (1024 / sums.max(1)).min(items.div_ceil(64 * 4)).clamp(1, SHARES)
}

/// Shapes of the outputs, after a look at those of logits and target.
fn check_pair(name: &str, inputs: &[Shape]) -> Result<Vec<Shape>> {
    match inputs {
        [logits, target] if logits == target && logits.count() > 0 => Ok(vec![Shape::SCALAR, *logits]),
        _ => Err(Error::shape(name, format!("wants logits and target of one shape, got {inputs:?}"))),
    }
}

/// The gradient rule of all losses: the gradient by the logits is there, times that of the loss.
fn scale_by_upstream(name: &str, b: &mut Backward<'_>) -> Result<()> {
    let Some(dloss) = b.dy() else {
        return Err(Error::shape(name, "second derivatives are not built"));
    };
    if b.wants(1) {
        return Err(Error::shape(name, "the target has no gradient"));
    }
    let dlogits = b.output(1);
    let dlogits = b.graph.apply(Binary::new(BinaryKind::Mul), &[dlogits, dloss])?;
    b.give(0, dlogits);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attrs_become_settings() {
        let attrs = json!({
            "activation": "softmax", "axis": 1, "alpha": 0.2, "beta": 0.8, "gamma": 0.5, "smooth": 2.0,
            "clamp": 1e-6, "scope": "image", "class_reduction": "sum", "include_background": false,
        });
        let want = Overlap {
            focus: Some(Focus { gamma: 0.5, least: 1e-6 }),
            scope: Scope::Image,
            link: Link::Softmax,
            class_reduction: ClassReduction::Sum,
            include_background: false,
            ..Overlap::tversky(0.2, 0.8, 2.0)
        };
        assert_eq!(spec_from_attrs("focal_tversky", &attrs), Some(LossSpec::Overlap(want)));
        assert_eq!(spec_from_attrs("bce", &json!({"reduction": "mean"})), Some(LossSpec::Bce));
        for other in [json!({"scope": "row"}), json!({"smooth": "1"}), json!({"alpha_weights": "FN"})] {
            assert_eq!(spec_from_attrs("tversky", &other), None, "{other}");
        }
    }

    #[test]
    fn unfit_settings_are_refused() {
        let options = LossOptions::default();
        let complaint = |name: &str, o: LossOptions| LossSpec::named(name, &o).unwrap_err().to_string();
        assert!(complaint("dise", options).contains("dice"));
        assert!(complaint("tversky", LossOptions { alpha: -0.1, ..options }).contains("alpha"));
        assert!(complaint("focal_tversky", LossOptions { gamma: f32::NAN, ..options }).contains("gamma"));
        assert!(complaint("bce", LossOptions { link: Link::Softmax, ..options }).contains("sigmoid"));
        let mut graph = Graph::new();
        let shape = Shape::new(1, 2, 2, 1);
        let (x, g) = (graph.input("x", shape), graph.input("g", shape));
        let spec = LossSpec::named("dice", &LossOptions { include_background: false, ..options }).unwrap();
        assert!(spec.build(&mut graph, x, g).unwrap_err().to_string().contains("background"));
    }
}

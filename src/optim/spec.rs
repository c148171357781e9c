//! Which optimiser, with which settings.

use serde_json::Value;

use super::{Adam, Moments, NAdam, Scaling, Sgd};
use crate::{Error, Result};

/// How gradients become steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Gradient descent with momentum.
    Sgd(Sgd),
    /// Adam, or AdamW where the decay is decoupled.
    Adam(Adam),
    /// Adam with Nesterov's look ahead.
    NAdam(NAdam),
}

/// An optimiser's settings. Clipping comes first: by norm, then by value, then weight decay is added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimSpec {
    /// The method.
    pub method: Method,
    /// Gradients are scaled down to this norm over all parameters. A limit that is never reached, as 1e30,
    /// only measures the norm.
    pub clip_norm: Option<f64>,
    /// Each number of a gradient is held to this size.
    pub clip_value: Option<f64>,
    /// Gradients come multiplied by a scale that moves with what half precision can hold.
    pub scaling: Option<Scaling>,
}

impl Method {
    /// Names, as PyTorch has them, of the tensors that are kept for each parameter.
    pub fn moments(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd(Sgd { momentum: 0.0, .. }) => &[],
            Self::Sgd(_) => &["momentum_buffer"],
            Self::Adam(Adam { amsgrad: true, .. }) => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
            Self::Adam(_) | Self::NAdam(_) => &["exp_avg", "exp_avg_sq"],
        }
    }

    /// Name in configs and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sgd(_) => "sgd",
            Self::Adam(a) if a.moments.decoupled => "adamw",
            Self::Adam(_) => "adam",
            Self::NAdam(_) => "nadam",
        }
    }
}

impl From<Method> for OptimSpec {
    fn from(method: Method) -> Self {
        Self { method, clip_norm: None, clip_value: None, scaling: None }
    }
}

impl OptimSpec {
    /// Looks for settings that cannot work.
    pub(super) fn validate(&self) -> Result<()> {
        let ensure = |fits: bool, what: &str| {
            if fits {
                Ok(())
            } else {
                Err(Error::Config(format!("the optimiser wants {what}; got {self:?}")))
            }
        };
        let size = |v: f64| v.is_finite() && v >= 0.0;
        let clip = [self.clip_norm, self.clip_value];
        ensure(clip.iter().flatten().all(|c| size(*c) && *c > 0.0), "clip limits above 0")?;
        let sound = self.scaling.is_none_or(|s| s.is_sound());
        ensure(sound, "a scale that begins at a power of two from 2^-24 to 2^32, and patience")?;
        match &self.method {
            Method::Sgd(s) => {
                ensure(size(s.momentum) && size(s.weight_decay), "momentum and weight decay of 0 or more")?;
                ensure(s.dampening.is_finite(), "a finite dampening")?;
                let nesterov = !s.nesterov || (s.momentum > 0.0 && s.dampening == 0.0);
                ensure(nesterov, "a momentum, and no dampening, to look ahead along it (nesterov)")
            }
            Method::Adam(Adam { moments: m, .. }) | Method::NAdam(NAdam { moments: m, .. }) => {
                ensure(m.betas.iter().all(|b| (0.0..1.0).contains(b)), "betas of 0 or more and below 1")?;
                // Padding has moments of zero, and zero by zero would not stay zero.
                ensure(m.eps >= f64::from(f32::MIN_POSITIVE), "an eps above 0")?;
                let decay = if let Method::NAdam(n) = self.method { n.momentum_decay } else { 0.0 };
                ensure(size(m.weight_decay) && size(decay), "decays of 0 or more")
            }
        }
    }
}

/// The optimiser that a reference case describes: `name` (sgd, adam, adamw, nadam) with the settings in
/// `attrs`. None for others.
pub fn spec_from_attrs(name: &str, attrs: &Value) -> Option<OptimSpec> {
    let set = |key: &str| attrs.get(key).filter(|v| !v.is_null());
    let number = |key: &str, or: f64| set(key).map_or(Some(or), Value::as_f64);
    let limit = |key: &str| set(key).map_or(Some(None), |v| v.as_f64().map(Some));
    let flag = |key: &str| set(key).map_or(Some(false), Value::as_bool);
    let moments = |weight_decay: f64, decoupled: bool| -> Option<Moments> {
        let d = Moments::default();
        let beta = |i: usize| set("betas").map_or(Some(d.betas[i]), |b| b.get(i)?.as_f64());
        Some(Moments {
            betas: [beta(0)?, beta(1)?],
            eps: number("eps", d.eps)?,
            weight_decay: number("weight_decay", weight_decay)?,
            decoupled,
        })
    };
    let method = match name {
        "sgd" => Method::Sgd(Sgd {
            momentum: number("momentum", 0.0)?,
            dampening: number("dampening", 0.0)?,
            nesterov: flag("nesterov")?,
            weight_decay: number("weight_decay", 0.0)?,
        }),
        "adam" => Method::Adam(Adam { moments: moments(0.0, false)?, amsgrad: flag("amsgrad")? }),
        "adamw" => Method::Adam(Adam { moments: moments(0.01, true)?, amsgrad: flag("amsgrad")? }),
        "nadam" => Method::NAdam(NAdam {
            moments: moments(0.0, flag("decoupled_weight_decay")?)?,
            momentum_decay: number("momentum_decay", NAdam::default().momentum_decay)?,
        }),
        _ => return None,
    };
    let (clip_norm, clip_value) = (limit("clip_grad_norm")?, limit("clip_grad_value")?);
    Some(OptimSpec { clip_norm, clip_value, ..method.into() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attrs_become_settings() {
        let attrs = json!({"betas": [0.5, 0.9], "weight_decay": 0.1, "clip_grad_norm": 5.0,
            "clip_grad_value": null, "decoupled_weight_decay": true});
        let moments = Moments { betas: [0.5, 0.9], weight_decay: 0.1, decoupled: true, ..Default::default() };
        let want = Method::NAdam(NAdam { moments, momentum_decay: 0.004 });
        let spec = OptimSpec { clip_norm: Some(5.0), ..want.into() };
        assert_eq!(spec_from_attrs("nadam", &attrs), Some(spec));
        assert_eq!(spec_from_attrs("cosine", &attrs), None);
        assert_eq!(spec_from_attrs("adam", &json!({"betas": [0.9]})), None);
    }

    #[test]
    fn unfit_settings_are_refused() {
        let complaint = |method| OptimSpec::from(method).validate().unwrap_err().to_string();
        assert!(complaint(Method::Sgd(Sgd { nesterov: true, ..Default::default() })).contains("nesterov"));
        let moments = Moments { eps: 0.0, ..Default::default() };
        assert!(complaint(Method::Adam(Adam { moments, amsgrad: false })).contains("eps"));
        let moments = Moments { betas: [0.9, 1.0], ..Default::default() };
        assert!(complaint(Method::NAdam(NAdam { moments, ..Default::default() })).contains("betas"));
        let plain = OptimSpec::from(Method::Adam(Adam::default()));
        assert!(OptimSpec { clip_norm: Some(0.0), ..plain }.validate().is_err());
        let scaling = Some(Scaling { start: 1000.0, ..Scaling::default() });
        assert!(OptimSpec { scaling, ..plain }.validate().unwrap_err().to_string().contains("power of two"));
        assert!(plain.validate().is_ok());
    }
}

//! Losses as reference cases describe them.

use serde_json::Value;

use super::{ClassReduction, ClassWeighting, Link, LossOptions, LossSpec, Penalty, PenaltyForm, Scope};

/// The loss that a reference case describes: `name` with the settings in `attrs`, and the weights of classes
/// where the case has them. None for losses and settings that are not built.
pub fn spec_from_attrs(name: &str, attrs: &Value, class_weights: &[f32]) -> Option<LossSpec> {
    let text = |key: &str| attrs.get(key).and_then(Value::as_str);
    let says = |key: &str, wanted: &str| text(key).is_none_or(|v| v == wanted);
    let conventions = [
        ("alpha_weights", "FP"),
        ("beta_weights", "FN"),
        ("smooth_in", "numerator and denominator"),
        ("alpha_vector", "[1-alpha, alpha, ..., alpha]"),
        ("score", "(2 S_l w_l S g p + smooth)/(S_l w_l S (g+p) + smooth)"),
        ("focal", "focal_one_vs_all"),
        ("phi", "outside: edt to object; inside: -(edt to background - 1); no object or no background: 0"),
        ("classes", "1..C-1"),
    ];
    let silva = text("form") == Some("silva");
    // Its name here, its formula and its reduction.
    let (own, formula, reduction) = match name {
        "bce" => (name, "", "mean"),
        "weighted_bce" => (name, "-(beta*y*log p + (1-beta)*(1-y)*log(1-p))", "mean"),
        "cross_entropy" if class_weights.is_empty() => (name, "", "mean over N,H,W"),
        "cross_entropy" => (name, "", "sum(w_y * ce) / sum(w_y)"),
        "dice" | "tversky" => (name, "", "mean over remaining axes"),
        "focal_tversky" => (name, "max(1-T, clamp)^gamma", "mean over remaining axes"),
        "dl2" => (
            "two_class_dice",
            "1 - (S pg+e)/(S(p+g)+e) - (S(1-p)(1-g)+e)/(S(2-p-g)+e)",
            "mean over images if scope=image",
        ),
        "bce_dice" => (name, "bce_mean + (1 - dice)", ""),
        "focal_sigmoid" => ("focal", "", "mean"),
        "focal_one_vs_all" => {
            ("focal", "p'=p if g else 1-p; a'=a if g else 1-a; -a'(1-p')^gamma log p'", "mean over N,C,H,W")
        }
        "focal_true_class" => (name, "", "sum / (N*C*H*W)"),
        "gdl" => (name, "", if text("scope") == Some("batch") { "none" } else { "mean over images" }),
        "pgdl" => (
            name,
            if silva { "1 - GDS/(1+k(1-GDS))" } else { "GDL/(1+k(1-GDL))" },
            if text("scope") == Some("batch") { "none" } else { "per image, then mean" },
        ),
        "total_eq26" => ("total", "pgdl + focal", ""),
        "boundary" => (name, "", "mean over N,(C-1),H,W"),
        "focal_plus_dice" => ("focal_dice", "focal_mean + (1 - dice)", "mean"),
        _ => return None,
    };
    let channels = attrs.get("axis").is_none_or(|v| v.as_i64() == Some(1));
    let equal = attrs.get("weights").is_none_or(|v| *v == serde_json::json!([1, 1]));
    let known = says("formula", formula) && says("reduction", reduction) && channels && equal;
    if !known || !conventions.iter().all(|(k, v)| says(k, v)) {
        return None;
    }
    let d = LossOptions::default();
    let number = |key: &str, or: f32| attrs.get(key).map_or(Some(or), |v| v.as_f64().map(|v| v as f32));
    let options = LossOptions {
        alpha: number("alpha", d.alpha)?,
        beta: number("beta", d.beta)?,
        gamma: number("gamma", d.gamma)?,
        least: number("clamp", d.least)?,
        smooth: number("smooth", number("eps", d.smooth)?)?,
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
        // The cases judge a class by its own pixels.
        both_sides: false,
        class_reduction: match text("class_reduction") {
            None | Some("mean") => ClassReduction::Mean,
            Some("sum") => ClassReduction::Sum,
            Some(_) => return None,
        },
        include_background: attrs.get("include_background").map_or(Some(true), Value::as_bool)?,
        class_weights: class_weights.to_vec(),
        class_weighting: match text("weight") {
            None | Some("max_finite") => ClassWeighting::InverseSquare,
            Some("none") => ClassWeighting::None,
            Some("eps") => ClassWeighting::InverseSquareEps(number("weight_eps", 1e-4)?),
            Some(_) => return None,
        },
        penalty: Penalty {
            k: number("k", d.penalty.k)?,
            form: match text("form") {
                None | Some("printed") => PenaltyForm::Printed,
                Some("silva") => PenaltyForm::Silva,
                Some(_) => return None,
            },
        },
    };
    LossSpec::named(own, &options).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::loss::{Focus, GeneralisedDice, Loss, Overlap};

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
        assert_eq!(spec_from_attrs("focal_tversky", &attrs, &[]), Some(Loss::Overlap(want).into()));
        assert_eq!(spec_from_attrs("bce", &json!({"reduction": "mean"}), &[]), Some(LossSpec::bce()));
        for other in [json!({"scope": "row"}), json!({"smooth": "1"}), json!({"alpha_weights": "FN"})] {
            assert_eq!(spec_from_attrs("tversky", &other, &[]), None, "{other}");
        }
        let attrs = json!({
            "activation": "softmax", "weight": "eps", "weight_eps": 0.5, "smooth": 0.0, "scope": "batch", "k": 0.5,
            "form": "silva",
        });
        let want = GeneralisedDice {
            scope: Scope::Batch,
            penalty: Some(Penalty { k: 0.5, form: PenaltyForm::Silva }),
            ..GeneralisedDice::new(ClassWeighting::InverseSquareEps(0.5))
        };
        assert_eq!(spec_from_attrs("pgdl", &attrs, &[]), Some(Loss::GeneralisedDice(want).into()));
        assert_eq!(spec_from_attrs("pgdl", &json!({"form": "other"}), &[]), None);
        assert_eq!(spec_from_attrs("gdl", &json!({"weight": "other"}), &[]), None);
        assert_eq!(spec_from_attrs("bce", &json!({"reduction": "sum"}), &[]), None);
        assert_eq!(spec_from_attrs("bce_dice", &json!({"weights": [1, 2]}), &[]), None);
    }
}

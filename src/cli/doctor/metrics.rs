//! Reference cases of metrics, whose expected numbers stand in the case itself.

use serde_json::{Map, Value, json};

use super::cases::{Case, CaseFile, Judge};
use crate::{
    Result,
    metrics::{
        Confusion, Correction, Empty, RocAuc, Scores, SurfaceDistance, TTest, Values, mean, summarise,
    },
};

/// Runs the case of a metric; `None` if it is not known.
pub fn run(file: &CaseFile, case: &Case, judge: &mut Judge<'_>) -> Option<Result<()>> {
    let made = match case.name.as_str() {
        "binary" => binary(file, case),
        "binary_batch" => binary_batch(file, case),
        "multiclass" => multiclass(file, case),
        "ttest" => ttest(file, case),
        "p_adjust" => Ok(p_adjust(case)),
        _ => return None,
    };
    Some(made.map(|made| judge.expect(&made)))
}

/// The classes of a mask.
fn mask(file: &CaseFile, case: &Case, name: &str) -> Result<Vec<u8>> {
    Ok(file.tensor(case, &format!("in.{name}"))?.data.iter().map(|v| *v as u8).collect())
}

/// The counts of a score, by its name in the reference.
fn by_name(v: &Values) -> [(&'static str, Option<f64>); 6] {
    [
        ("dice", v.dice),
        ("iou", v.iou),
        ("precision", v.precision),
        ("recall", v.recall),
        ("specificity", v.specificity),
        ("accuracy", v.accuracy),
    ]
}

fn object(values: impl IntoIterator<Item = (&'static str, Option<f64>)>) -> Map<String, Value> {
    values.into_iter().map(|(name, value)| (name.into(), json!(value))).collect()
}

/// Foreground of a binary mask, with kappa.
fn of_foreground(s: &Scores) -> Vec<(&'static str, Option<f64>)> {
    by_name(&s.classes[1].values).into_iter().chain([("kappa", s.kappa)]).collect()
}

fn binary(file: &CaseFile, case: &Case) -> Result<Map<String, Value>> {
    let (prediction, truth) = (mask(file, case, "pred")?, mask(file, case, "target")?);
    let counted = Confusion::of(2, &prediction, &truth)?;
    let (filled, plain) = (counted.scores(Empty::Fill), counted.scores(Empty::Skip));
    let mut made = object(of_foreground(&filled));
    let undefined: Vec<&str> =
        of_foreground(&plain).iter().filter(|(_, v)| v.is_none()).map(|(name, _)| *name).collect();
    made.insert("undefined".into(), json!(undefined));
    for (name, t, p) in [("tp", 1, 1), ("fp", 0, 1), ("fn", 1, 0), ("tn", 0, 0)] {
        made.insert(name.into(), json!(counted.count(t, p)));
    }
    let mut auc = RocAuc::default();
    auc.add(&file.tensor(case, "in.prob")?.data, &truth, 1)?;
    let width = file.tensor(case, "in.pred")?.shape.last().copied().unwrap_or(1);
    let spacing = case.attrs.get("spacing_yx").and_then(|v| Some([v.get(0)?.as_f64()?, v.get(1)?.as_f64()?]));
    let of = |mask: &[u8]| mask.iter().map(|c| *c == 1).collect::<Vec<_>>();
    let surface = SurfaceDistance::between(&of(&prediction), &of(&truth), width, spacing.unwrap_or([1.0; 2]));
    made.extend(object([
        ("auc", auc.value()),
        ("auc_binary", plain.balanced_accuracy),
        ("hausdorff", surface.map(|s| s.hausdorff)),
        ("hd95", surface.map(|s| s.hd95)),
        ("hd95_pooled", surface.map(|s| s.hd95_pooled)),
    ]));
    Ok(made)
}

fn binary_batch(file: &CaseFile, case: &Case) -> Result<Map<String, Value>> {
    let (prediction, truth) = (mask(file, case, "pred")?, mask(file, case, "target")?);
    let pixels: usize = file.tensor(case, "in.pred")?.shape[1..].iter().product();
    let pairs = prediction.chunks_exact(pixels).zip(truth.chunks_exact(pixels));
    let counted: Vec<Confusion> = pairs.map(|(p, t)| Confusion::of(2, p, t)).collect::<Result<_>>()?;
    let summary = summarise(2, &counted, Empty::Fill)?;
    let mut per_image: Map<String, Value> = Map::new();
    for image in &counted {
        for (name, value) in of_foreground(&image.scores(Empty::Fill)) {
            if let Value::Array(list) = per_image.entry(name).or_insert_with(|| json!([])) {
                list.push(json!(value));
            }
        }
    }
    let mut made = Map::from_iter([("per_image".to_string(), Value::Object(per_image))]);
    for (name, scores) in [("mean_over_images", &summary.per_image_mean), ("pooled", &summary.pooled)] {
        made.insert(name.into(), Value::Object(object(of_foreground(scores))));
    }
    Ok(made)
}

fn multiclass(file: &CaseFile, case: &Case) -> Result<Map<String, Value>> {
    let classes = case.count("classes", 2);
    let counted = Confusion::of(classes, &mask(file, case, "pred")?, &mask(file, case, "target")?)?;
    let (filled, plain) = (counted.scores(Empty::Fill), counted.scores(Empty::Skip));
    let matrix: Vec<&[u64]> = counted.counts().chunks_exact(classes).collect();
    let mut made = object([("accuracy", filled.accuracy), ("kappa", filled.kappa)]);
    made.insert("confusion[target][pred]".into(), json!(matrix));
    let mut undefined = Vec::new();
    // Specificity and accuracy of each class are not among the expected.
    for i in 0..4 {
        let name = by_name(&filled.macro_all)[i].0;
        let each: Vec<_> = filled.classes.iter().map(|c| by_name(&c.values)[i].1).collect();
        made.insert(name.into(), json!(each));
        let lacking = plain.classes.iter().filter(|c| by_name(&c.values)[i].1.is_none());
        undefined.extend(lacking.map(|c| format!("{name}[{}]", c.class)));
        for (suffix, values) in [
            ("macro", &filled.macro_all),
            ("macro_fg", &filled.macro_foreground),
            ("micro", &filled.micro_all),
        ] {
            made.insert(format!("{name}_{suffix}"), json!(by_name(values)[i].1));
        }
    }
    made.insert("undefined".into(), json!(undefined));
    Ok(made)
}

fn ttest(file: &CaseFile, case: &Case) -> Result<Map<String, Value>> {
    let group = |name: &str| -> Result<Vec<f64>> {
        Ok(file.tensor(case, &format!("in.{name}"))?.data.iter().map(|v| f64::from(*v)).collect())
    };
    let (a, b) = (group("a")?, group("b")?);
    let numbers = |test: Option<TTest>| {
        let undefined = json!({ "t": null, "p": null });
        test.map_or(undefined, |test| json!({ "t": test.t, "df": test.df, "p": test.p }))
    };
    let of = |group: &[f64]| mean(group.iter().map(|v| Some(*v)));
    let mut made = object([("mean_a", of(&a)), ("mean_b", of(&b))]);
    made.insert("welch".into(), numbers(TTest::welch(&a, &b)));
    made.insert("paired".into(), numbers(TTest::paired(&a, &b)));
    Ok(made)
}

/// The p-values to be raised stand among what is expected.
fn p_adjust(case: &Case) -> Map<String, Value> {
    let given = case.expected.get("p").and_then(Value::as_array);
    let p: Vec<f64> = given.into_iter().flatten().filter_map(Value::as_f64).collect();
    [
        ("bonferroni", Correction::Bonferroni),
        ("holm", Correction::Holm),
        ("bh", Correction::BenjaminiHochberg),
    ]
    .into_iter()
    .map(|(name, correction)| (name.to_owned(), json!(correction.adjust(&p))))
    .chain([("p".to_owned(), json!(p))])
    .collect()
}

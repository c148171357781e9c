//! What a binary model does as its threshold moves: the receiver's operating curve, and precision against recall.

use super::{
    chart::{self, Axes, Series},
    html::{BLUE, VERMILION, escape},
};
use crate::{Error, Result, metrics::Thresholds};

/// Both curves side by side; nothing without them.
pub(super) fn render(thresholds: Option<&Thresholds>) -> Result<String> {
    let Some(thresholds) = thresholds else { return Ok(String::new()) };
    let chance = thresholds.positives as f64 / (thresholds.positives + thresholds.negatives) as f64;
    let line = |colour, points| Series { colour, points, dots: false };
    let diagonal = line([150; 3], vec![(0.0, 0.0), (1.0, 1.0)]);
    let level = line([150; 3], vec![(0.0, chance), (1.0, chance)]);
    let area = thresholds.auc.map(|auc| format!("area {auc:.4}")).unwrap_or_default();
    let mean = format!("average precision {:.4}", thresholds.average_precision);
    let charts = [
        (
            "Receiver's operating curve",
            area,
            ["false positive rate", "true positive rate"],
            diagonal,
            line(BLUE, thresholds.roc()),
        ),
        (
            "Precision and recall",
            mean,
            ["recall", "precision"],
            level,
            line(VERMILION, thresholds.precision_recall()),
        ),
    ];
    let mut text = String::from("<div class=\"row\">\n");
    for (name, note, [x_name, y_name], guess, curve) in charts {
        let axes = Axes { x: 0.0..1.0, y: 0.0..1.0, x_name, y_name };
        let svg = chart::draw(&axes, &[guess, curve])
            .map_err(|e| Error::Check(format!("{name} cannot be drawn: {e}")))?;
        text += &format!(
            "<figure>\n<figcaption><strong>{}</strong> <span class=\"note\">{note}; grey: a guess</span></figcaption>\n{svg}</figure>\n",
            escape(name)
        );
    }
    Ok(text + "</div>\n")
}

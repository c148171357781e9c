//! The confusion matrix as a table, darker where a class of the truth goes more often.

use super::html::BLUE;
use crate::metrics::Confusion;

/// Classes beyond which a table cannot be read.
const MOST_CLASSES: usize = 20;

/// Rows of truth, columns of prediction; nothing without pixels or for very many classes.
pub(super) fn render(confusion: Option<&Confusion>) -> String {
    let Some(confusion) = confusion.filter(|c| c.total() > 0 && c.classes() <= MOST_CLASSES) else {
        return String::new();
    };
    let classes = 0..confusion.classes();
    let name = |class: usize| if class == 0 { "background".to_owned() } else { format!("class {class}") };
    let head: String = classes.clone().map(|class| format!("<th>{}</th>", name(class))).collect();
    let row = |truth: usize| {
        let all: u64 = classes.clone().map(|p| confusion.count(truth, p)).sum();
        let cell = |prediction: usize| {
            let count = confusion.count(truth, prediction);
            let share = count as f64 / all.max(1) as f64;
            let ([r, g, b], ink) = (BLUE, if share > 0.55 { "#fff" } else { "#1a1a1a" });
            format!(
                "<td style=\"background:rgba({r},{g},{b},{share:.3});color:{ink}\">{:.2} %<br><small>{count}</small></td>",
                100.0 * share
            )
        };
        format!("<tr><th>{}</th>{}</tr>\n", name(truth), classes.clone().map(cell).collect::<String>())
    };
    let rows: String = classes.clone().map(row).collect();
    format!(
        "<p>Rows: truth. Columns: prediction. Shares of a row, and pixels.</p>\n<div class=\"scroll\">\n\
         <table class=\"confusion\">\n<thead><tr><th></th>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
}

//! Tables of names and values, and of scores in JSON of any shape.

use serde_json::{Map, Value};

use super::html::escape;

/// Columns that come first, in this order, if they are there.
const FIRST: [&str; 18] = [
    "class",
    "name",
    "images",
    "pixels",
    "dice",
    "iou",
    "precision",
    "recall",
    "specificity",
    "accuracy",
    "balanced_accuracy",
    "kappa",
    "macro_foreground",
    "macro_all",
    "micro_foreground",
    "pooled",
    "per_image_mean",
    "undefined",
];

/// A table of two columns; nothing for no rows.
pub(super) fn pairs(rows: &[(String, String)]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows: String = rows
        .iter()
        .map(|(name, value)| format!("<tr><th>{}</th><td>{}</td></tr>\n", escape(name), escape(value)))
        .collect();
    format!("<table class=\"pairs\">\n<tbody>\n{rows}</tbody>\n</table>\n")
}

/// The scores; nothing for null or an empty object.
pub(super) fn scores(scores: &Value) -> String {
    nested("", scores)
}

/// `path` is the heading under which `scores` stands, empty at the top.
fn nested(path: &str, scores: &Value) -> String {
    match scores {
        Value::Null => String::new(),
        Value::Object(map) => object(path, map),
        Value::Array(items) => array(path, items),
        scalar => pairs(&[("score".to_owned(), cell(scalar))]),
    }
}

/// First what is single, then objects of single values side by side as the rows of one table, then the rest
/// under headings of their own.
fn object(path: &str, map: &Map<String, Value>) -> String {
    let names = ordered(map.keys().map(String::as_str));
    let of = |want: fn(&Value) -> bool| names.iter().filter(move |name| want(&map[**name]));
    let single: Vec<(String, String)> = of(is_single).map(|name| (words(name), cell(&map[*name]))).collect();
    let flat: Vec<(String, &Map<String, Value>)> =
        of(is_flat).filter_map(|name| Some((words(name), map[*name].as_object()?))).collect();
    let mut text = pairs(&single) + &grid(&flat);
    for name in of(|value| !is_single(value) && !is_flat(value)) {
        text += &headed(path, &words(name), &map[*name]);
    }
    text
}

fn array(path: &str, items: &[Value]) -> String {
    let objects: Option<Vec<(String, &Map<String, Value>)>> =
        items.iter().map(|item| Some((String::new(), item.as_object().filter(|_| is_flat(item))?))).collect();
    match objects {
        Some(rows) => grid(&rows),
        None => items.iter().enumerate().map(|(i, item)| nested_item(path, i, item)).collect(),
    }
}

fn nested_item(path: &str, index: usize, item: &Value) -> String {
    let name = (index + 1).to_string();
    if is_single(item) { pairs(&[(name, cell(item))]) } else { headed(path, &name, item) }
}

/// A value under a heading that says the whole way to it.
fn headed(path: &str, name: &str, value: &Value) -> String {
    let path = if path.is_empty() { name.to_owned() } else { format!("{path}: {name}") };
    format!("<h3>{}</h3>\n{}", escape(&path), nested(&path, value))
}

/// A table with a row an object and a column a key. The first column is the rows' names, or the first key
/// where the rows have none.
fn grid(rows: &[(String, &Map<String, Value>)]) -> String {
    let mut columns: Vec<&str> = rows.iter().flat_map(|(_, row)| row.keys().map(String::as_str)).collect();
    columns.sort_unstable();
    columns.dedup();
    let columns = ordered(columns.into_iter());
    if columns.is_empty() {
        return String::new();
    }
    let named = rows.iter().any(|(name, _)| !name.is_empty());
    let blank = if named { "<th></th>" } else { "" };
    let head: String = columns.iter().map(|column| format!("<th>{}</th>", escape(&words(column)))).collect();
    let mut body = String::new();
    for (name, row) in rows {
        body += "<tr>";
        if named {
            body += &format!("<th>{}</th>", escape(name));
        }
        for (i, column) in columns.iter().enumerate() {
            let tag = if i == 0 && !named { "th" } else { "td" };
            let value = row.get(*column).unwrap_or(&Value::Null);
            body += &format!("<{tag}>{}</{tag}>", escape(&cell(value)));
        }
        body += "</tr>\n";
    }
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr>{blank}{head}</tr></thead>\n\
         <tbody>\n{body}</tbody>\n</table></div>\n"
    )
}

/// Known names in their usual order, then the others as they come.
fn ordered<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_by_key(|name| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    names
}

fn is_single(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn is_flat(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.values().all(is_single))
}

fn words(key: &str) -> String {
    match key {
        "iou" => "IoU".to_owned(),
        "dice" => "Dice".to_owned(),
        "undefined" => "undefined (images that the mean leaves out)".to_owned(),
        other => other.replace('_', " "),
    }
}

/// A dash is what is undefined.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or(f64::NAN)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_of_numbers_share_a_table() {
        let text =
            scores(&json!({"images": 3, "a_b": {"recall": 1, "dice": 0.25}, "c": {"dice": null, "z": 2}}));
        assert_eq!(text.matches("<table").count(), 2);
        assert!(text.contains("<tr><th></th><th>Dice</th><th>recall</th><th>z</th></tr>"), "{text}");
        assert!(text.contains("<tr><th>a b</th><td>0.2500</td><td>1</td><td>–</td></tr>"), "{text}");
    }

    #[test]
    fn arrays_and_nesting() {
        let text = scores(&json!({"pooled": {"classes": [{"class": 0, "iou": 0.5}], "accuracy": 1.0}}));
        assert!(text.contains("<h3>pooled</h3>") && text.contains("<h3>pooled: classes</h3>"));
        assert!(text.contains("<tr><th>0</th><td>0.5000</td></tr>"), "{text}");
        assert_eq!(scores(&Value::Null), "");
        assert_eq!(scores(&json!({})), "");
    }
}

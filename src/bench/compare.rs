//! Two reports side by side.

use std::fmt::Write;

use super::{Report, Times};

/// A table of what both reports measured: medians, and how many times as fast `b` is as `a`. A mark stands
/// where the spreads of the two do not touch, so that the difference is more than noise.
pub fn compare(a: &Report, b: &Report) -> String {
    let mut rows: Vec<(String, Times, Times)> = Vec::new();
    for row in &a.kernels {
        let same = |r: &&super::Row| (&r.group, &r.name, &r.pass) == (&row.group, &row.name, &row.pass);
        if let Some(other) = b.kernels.iter().find(same) {
            rows.push((format!("{} {}, {}", row.group, row.name, row.pass), row.times, other.times));
        }
    }
    for step in &a.steps {
        if let Some(other) = b.steps.iter().find(|s| s.name == step.name) {
            rows.push((step.name.clone(), step.wall, other.wall));
        }
    }
    let mut out = String::new();
    // Writing to a string cannot fail.
    for (name, report) in [("a", a), ("b", b)] {
        let _ = writeln!(out, "{name}: {} ({}), gyre {}", report.adapter, report.driver, report.version);
    }
    let _ = writeln!(out, "{:>10} {:>10} {:>7}", "a, ms", "b, ms", "a / b");
    for (name, x, y) in &rows {
        let apart = if x.least > y.most || y.least > x.most { "*" } else { " " };
        let ratio = if y.median > 0.0 { x.median / y.median } else { f64::NAN };
        let _ = writeln!(out, "{:10.3} {:10.3} {ratio:7.3}{apart} {name}", x.median, y.median);
    }
    if rows.is_empty() {
        let _ = writeln!(out, "the two have no measurement in common");
    }
    out
}

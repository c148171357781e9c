//! Whether an experiment's file makes sense, before anything runs.

use super::{Axis, Dimension, Spec, again, spec::Profile, two_stage};

/// What is wrong, in words.
pub(super) fn check(spec: &Spec) -> Result<(), String> {
    if spec.columns.is_empty() {
        return Err("columns: name one at least".into());
    }
    for axis in &spec.axes {
        if Dimension::RESERVED.contains(&axis.name.as_str()) || axis.name == spec.again_name {
            return Err(format!("no axis may be called {:?}", axis.name));
        }
    }
    view(spec, &Profile::default())?;
    two_stage::check(spec)?;
    for (name, profile) in &spec.profiles {
        let of_profile = |e: String| format!("profile {name}: {e}");
        if let Some(axis) = profile.axes.keys().find(|n| spec.axes.iter().all(|a| a.name != **n)) {
            return Err(of_profile(format!("there is no axis {axis:?}")));
        }
        view(&spec.changed_by(profile), profile).map_err(of_profile)?;
        two_stage::check(&spec.changed_by(profile)).map_err(of_profile)?;
    }
    let known = Known::of(spec);
    let cells = spec.published.iter().map(|p| &p.cell).chain(spec.figures.iter().map(|f| &f.cell));
    for cell in cells {
        if cell.len() != spec.axes.len() || !cell.iter().zip(0..).all(|(l, axis)| known.label(axis, l)) {
            return Err(format!("{cell:?} names no cell: one label of each axis, in their order"));
        }
    }
    if let Some(odd) = spec.published.iter().filter_map(|p| p.again.as_ref()).find(|l| !known.is_again(l)) {
        return Err(format!("published: nothing is evaluated again as {odd:?}"));
    }
    let names = spec.figures.iter().map(|f| ("figure", &f.name));
    for (kind, name) in names.chain(spec.plots.iter().map(|p| ("plot", &p.name))) {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            return Err(format!("{name:?} is no name for a {kind}: letters, digits, - and _"));
        }
    }
    for plot in &spec.plots {
        plot.check(spec, &known).map_err(|e| format!("plot {}: {e}", plot.name))?;
    }
    for claim in &spec.claims {
        claim.check(spec, &known).map_err(|e| format!("claim {:?}: {e}", claim.text))?;
    }
    Ok(())
}

/// What each profile must hold to by itself.
fn view(spec: &Spec, profile: &Profile) -> Result<(), String> {
    if spec.axes.is_empty() || spec.axes.iter().any(|axis| axis.levels.is_empty()) {
        return Err("every experiment has axes, and every axis levels".into());
    }
    if spec.seeds.is_empty() {
        return Err("seeds: name one at least".into());
    }
    let mut labels: Vec<&str> =
        spec.axes.iter().flat_map(|a| &a.levels).map(|level| level.label.as_str()).collect();
    labels.sort_unstable();
    if let Some(twice) = labels.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two levels are called {:?}", twice[0]));
    }
    if let Some(label) = profile.levels.keys().find(|l| labels.binary_search(&l.as_str()).is_err()) {
        return Err(format!("there is no level {label:?}"));
    }
    again::check(spec, &labels)
}

/// The labels that any profile has: plots and claims may speak of those that one profile lacks.
pub(super) struct Known {
    axes: Vec<Vec<String>>,
    again: Vec<String>,
}

impl Known {
    fn of(spec: &Spec) -> Self {
        let views: Vec<Spec> = [Profile::default()]
            .iter()
            .chain(spec.profiles.values())
            .map(|profile| spec.changed_by(profile))
            .collect();
        let of_axis = |at: usize| {
            let labels = |axis: &Axis| axis.levels.iter().map(|l| l.label.clone()).collect::<Vec<_>>();
            views.iter().flat_map(|view| labels(&view.axes[at])).collect()
        };
        let again = |view: &Spec| {
            let labels = view.again.iter().map(|a| a.label.clone());
            labels.chain([view.as_trained.clone()]).collect::<Vec<_>>()
        };
        Self {
            axes: (0..spec.axes.len()).map(of_axis).collect(),
            again: views.iter().flat_map(again).collect(),
        }
    }

    /// Whether an axis has a level of this label.
    pub fn label(&self, axis: usize, label: &str) -> bool {
        self.axes.get(axis).is_some_and(|labels| labels.iter().any(|l| l == label))
    }

    fn is_again(&self, label: &str) -> bool {
        self.again.iter().any(|l| l == label)
    }

    /// Whether a dimension has a level of this label, or it is a word for some of them.
    pub fn level(&self, dimension: Dimension, label: &str) -> bool {
        let named = match dimension {
            Dimension::Axis(axis) => self.label(axis, label),
            Dimension::Again => self.is_again(label),
            Dimension::Class => false,
        };
        named || Dimension::WORDS.contains(&label)
    }
}

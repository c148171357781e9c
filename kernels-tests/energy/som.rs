use gyre::{
    graph::{Operator, Shape},
    ops::{
        check::Sample,
        energy::{Rule, Som, Through},
    },
};

pub const RULES: [Rule; 4] = [
    Rule::Equilibrium { include_self: false },
    Rule::Equilibrium { include_self: true },
    Rule::Response { literal: false },
    Rule::Response { literal: true },
];

/// One of each kernel: the others differ from these in numbers, or in what `steps_and_gradients` and `regions_with_halos` see.
const KERNELS: [Rule; 2] = [RULES[0], RULES[2]];

fn sample(op: Som, v: Shape, soft: bool) -> Sample {
    let mut shapes = vec![v, v.with_c(4)];
    shapes.extend((op.anchor > 0.0).then_some(v));
    // Responses of large beliefs differ by far, and the shares are then steps.
    let mut sample = Sample::new(format!("{op:?} {v} {soft}"), op, &shapes).with(0, |v| 0.3 * v);
    sample.inputs[1] = if soft { super::soft_mask(v) } else { super::mask(v) };
    if soft { sample } else { sample.constants(&[1]) }
}

#[test]
fn steps_and_gradients() {
    for (rule, v) in KERNELS.into_iter().flat_map(|rule| super::maps().into_iter().map(move |v| (rule, v))) {
        for steps in [1, 2, 5] {
            crate::forward([sample(Som::new(rule, 0.4, steps), v, false)]);
        }
    }
    for (rule, v) in RULES.into_iter().flat_map(|rule| super::small().into_iter().map(move |v| (rule, v))) {
        crate::both([sample(Som::new(rule, 0.4, 2), v, false)]);
    }
}

#[test]
fn soft_edges_have_gradients() {
    for rule in RULES {
        for v in super::small() {
            crate::both([sample(Som::new(rule, 0.4, 2), v, true)]);
        }
    }
}

#[test]
fn anchored_steps() {
    for rule in KERNELS {
        let op = Som { anchor: 0.2, ..Som::new(rule, 0.4, 2) };
        crate::both([sample(op, Shape::new(2, 3, 4, 3), true)]);
    }
}

/// The gradient by the last steps alone is that of a descent which is as long as they.
#[test]
fn a_truncated_gradient_sees_the_last_steps() {
    let v = Shape::new(2, 5, 4, 3);
    let op = Som { through: Through::Last(3), ..Som::new(RULES[2], 0.3, 3) };
    crate::both([sample(op, v, false)]);
}

#[test]
fn energies_are_told_on_the_way() {
    for rule in KERNELS {
        for v in super::small() {
            let op = Som { traced: true, ..Som::new(rule, 0.5, 4) };
            crate::forward([sample(op, v, false).forward_only()]);
        }
    }
}

/// Maps larger than a region along either axis or both, more steps than a dispatch takes, and a single region.
#[test]
fn regions_with_halos() {
    let maps = [
        Shape::new(2, 45, 37, 5),
        Shape::new(1, 20, 70, 8),
        Shape::new(1, 50, 9, 7),
        Shape::new(2, 8, 12, 6),
    ];
    for (rule, v) in KERNELS.into_iter().flat_map(|rule| maps.map(|v| (rule, v))) {
        for (traced, anchor) in [(false, 0.0), (true, 0.2)] {
            let op = Som { traced, anchor, ..Som::new(rule, 0.5, 13) };
            crate::forward([sample(op, v, false).forward_only()]);
        }
    }
    // Missing neighbours of the literal response, which count, at the borders of regions; by one vec4.
    let op = Som::new(RULES[3], 0.5, 13);
    crate::forward([sample(op, Shape::new(1, 45, 37, 3), false).forward_only()]);
}

/// Three dispatches, the last of which tells an energy alone, on two pictures cut along both axes.
#[test]
fn many_dispatches() {
    for rule in KERNELS {
        let op = Som { traced: true, ..Som::new(rule, 0.5, 14) };
        crate::forward([sample(op, Shape::new(2, 45, 37, 5), false).forward_only()]);
    }
}

/// As many channels as are held at most, and more.
#[test]
fn many_channels() {
    for c in [32, 33] {
        let op = Som { anchor: 0.2, ..Som::new(RULES[2], 0.5, 3) };
        crate::forward([sample(op, Shape::new(1, 7, 36, c), false).with(0, |v| 0.3 * v).forward_only()]);
    }
}

/// More steps than loops may have rounds.
#[test]
fn thousands_of_steps() {
    for rule in KERNELS {
        crate::forward([sample(Som::new(rule, 0.2, 4500), Shape::new(1, 3, 4, 3), false).forward_only()]);
    }
}

#[test]
fn bad_settings_are_refused() {
    let v = Shape::new(1, 4, 4, 3);
    let inputs = [v, v.with_c(4)];
    assert!(Som::new(RULES[0], 0.1, 0).shapes(&inputs).is_err());
    assert!(Som::new(RULES[0], f32::NAN, 1).shapes(&inputs).is_err());
    assert!(Som::new(RULES[0], 0.1, 1).shapes(&[v, v]).is_err());
    let implicit = Som { through: Through::Implicit(10), ..Som::new(RULES[0], 0.1, 1) };
    let said = implicit.shapes(&inputs).unwrap_err().to_string();
    assert!(said.contains("anchor"), "{said}");
}

use gyre::{
    graph::{Operator, Shape},
    ops::{Softmax, check::Sample},
};

#[test]
fn both_forms_and_gradients() {
    for op in [Softmax::new(), Softmax::log()] {
        for c in [1, 2, 4, 7, 13] {
            for x in [Shape::new(3, 5, 3, c), Shape::new(2, 1, 1, c)] {
                crate::both([Sample::new(format!("{op:?} {x}"), op, &[x])]);
            }
        }
    }
}

#[test]
fn far_from_zero() {
    for op in [Softmax::new(), Softmax::log()] {
        for c in [1, 5, 8] {
            let x = Shape::new(1, 4, 5, c);
            let sample = |what: &str| Sample::new(format!("{what} {op:?} {x}"), op, &[x]);
            crate::forward([
                sample("wide").with(0, |v| 5e3 * v),
                sample("high").with(0, |v| 1e4 + v.round()),
                // Padding lanes then lie far above every channel.
                sample("low").with(0, |v| v.round() - 1e4),
            ]);
        }
    }
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 3, 4);
    assert!(Softmax::backward(true).shapes(&[x, x.with_c(5)]).is_err());
    assert!(Softmax::new().shapes(&[x.with_c(0)]).is_err());
}

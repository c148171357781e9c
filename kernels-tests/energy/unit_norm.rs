use gyre::{
    graph::{Array, Operator, Shape},
    ops::{UnitNorm, check::Sample},
};

#[test]
fn any_shape() {
    for eps in [1e-6, 0.7, 3.0] {
        for c in [2, 4, 7, 13] {
            for x in [Shape::new(3, 5, 3, c), Shape::new(2, 1, 1, c)] {
                crate::both([Sample::new(format!("{eps} {x}"), UnitNorm::new(eps), &[x])]);
            }
        }
    }
    // Of one channel only numbers below eps have a gradient.
    crate::both([Sample::new("one channel", UnitNorm::new(0.7), &[Shape::new(3, 5, 3, 1)])]);
}

#[test]
fn far_from_one() {
    for c in [1, 3, 8] {
        let x = Shape::new(1, 4, 5, c);
        let sample = |what: &str| Sample::new(format!("{what} {x}"), UnitNorm::new(1e-6), &[x]);
        crate::forward([
            sample("zero").with(0, |_| 0.0),
            sample("some zero").with(0, |v| v.max(0.0).floor()),
            sample("small").with(0, |v| 1e-12 * v),
        ]);
        // Their squares pass the range of f32, and they themselves that of half.
        for device in [crate::context(), crate::portable()] {
            sample("large").with(0, |v| 1e25 * v).check_forward(device).unwrap_or_else(|e| panic!("{e}"));
        }
    }
}

#[test]
fn norms_are_one() {
    let x = Array::from_fn(Shape::new(1, 1, 2, 2), |_, _, w, c| [3.0, 4.0, 0.0, 0.0][2 * w + c]);
    assert_eq!(UnitNorm::new(1e-6).twin(&[x])[0].data, [0.6, 0.8, 0.0, 0.0]);
}

#[test]
fn misfits_are_refused() {
    let x = Shape::new(1, 2, 3, 4);
    for eps in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(UnitNorm::new(eps).shapes(&[x]).is_err(), "{eps}");
    }
    assert!(UnitNorm::new(1.0).shapes(&[x, x]).is_err());
    assert!(UnitNorm::backward(1.0).shapes(&[x, x.with_c(3)]).is_err());
}

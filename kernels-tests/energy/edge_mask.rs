use gyre::{
    graph::{Operator, Shape},
    ops::{check::Sample, energy::EdgeMask},
};

#[test]
fn steps_and_slopes() {
    for s in super::maps() {
        let f = s.with_c(1);
        crate::forward([Sample::new(format!("step {f}"), EdgeMask::new(1.2, 0.0), &[f]).forward_only()]);
        crate::both([Sample::new(format!("soft {f}"), EdgeMask::new(1.2, 0.7), &[f])]);
    }
}

#[test]
fn a_difference_at_the_threshold_leaves_the_edge_whole() {
    let f = Shape::new(1, 1, 4, 1);
    let mut sample = Sample::new("edge", EdgeMask::new(0.5, 0.0), &[f]);
    sample.inputs[0].data = vec![0.0, 0.5, 1.25, 1.25];
    let phi = sample.op.twin(&sample.inputs).remove(0);
    let right: Vec<f64> = phi.data.chunks(4).map(|d| d[3]).collect();
    assert_eq!(right, [1.0, 0.0, 1.0, 0.0]);
    crate::forward([sample.forward_only()]);
}

#[test]
fn bad_settings_are_refused() {
    let f = Shape::new(1, 4, 4, 1);
    assert!(EdgeMask::new(-1.0, 0.0).shapes(&[f]).is_err());
    assert!(EdgeMask::new(f32::NAN, 0.0).shapes(&[f]).is_err());
    assert!(EdgeMask::new(1.0, 0.0).shapes(&[f.with_c(3)]).is_err());
}

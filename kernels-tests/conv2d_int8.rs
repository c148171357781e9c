use gyre::{
    graph::{Array, Operator, Shape},
    ops::{Act, Conv2d, Conv2dInt8, Geometry, Int8, Join, samples::conv2d_int8},
};

#[test]
fn dense() {
    for (k, s, p) in [(1, 1, 0), (1, 2, 0), (2, 2, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2), (7, 2, 3)] {
        let op = Conv2dInt8::new(Geometry::square(k, s, p), 7, &[-128]);
        crate::forward([conv2d_int8("dense", op, &[Shape::new(2, 9, 11, 5)])]);
        let op = Conv2dInt8 { act: Act::Relu, ..Conv2dInt8::new(Geometry::square(k, s, p), 12, &[9]) };
        crate::forward([conv2d_int8("wide", op, &[Shape::new(1, 8, 21, 13)])]);
    }
}

#[test]
fn two_sources_and_integers_on() {
    let to = Some(Int8 { scale: 0.5, zero: 11 });
    for (a, b) in [(5, 3), (4, 8), (1, 13)] {
        let x = Shape::new(2, 6, 10, a);
        let op = Conv2dInt8::new(Geometry::square(3, 1, 1), 6, &[-128, 77]);
        crate::forward([conv2d_int8("two", op.clone(), &[x, x.with_c(b)])]);
        crate::forward([conv2d_int8("on", Conv2dInt8 { out: to, ..op }, &[x, x.with_c(b)])]);
    }
}

#[test]
fn every_epilogue() {
    let x = Shape::new(3, 5, 7, 6);
    let plain = Conv2dInt8::new(Geometry::square(3, 1, 1), 9, &[-20]);
    for residual in [Join::None, Join::Before, Join::After] {
        for norm_after in [None, Some(1e-3)] {
            let op = Conv2dInt8 { residual, norm_after, act: Act::Silu, ..plain.clone() };
            crate::forward([conv2d_int8("epilogue", op, &[x])]);
        }
    }
}

#[test]
fn depthwise() {
    for (k, s, p, c) in [(3, 1, 1, 13), (5, 2, 2, 6), (3, 2, 0, 4), (1, 1, 0, 2)] {
        let op = Conv2dInt8::new(Geometry::square(k, s, p).grouped(c), c, &[-128]);
        crate::forward([conv2d_int8("depthwise", op, &[Shape::new(2, 7, 9, c)])]);
    }
}

/// The largest sums: every product is -128 * 127, or 128 * 128 of what is outside.
#[test]
fn sums_are_exact_at_the_ends() {
    let x = Shape::new(1, 4, 9, 1000);
    let op = Conv2dInt8::new(Geometry::square(3, 1, 1), 5, &[127]);
    let mut sample =
        conv2d_int8("ends", op, &[x]).with(0, |_| -128.0).with(2, |_| 1.0 / 4096.0).with(3, |_| 0.0);
    sample.inputs[1] = sample.inputs[1].map(|v| if v == 0.0 { 0.0 } else { 127.0 });
    sample.rtol = 3e-7;
    crate::forward([sample]);
}

/// On integers the twin is the plain convolution, of numbers less their zero.
#[test]
fn the_twin_is_a_convolution() {
    let (x, g) = (Shape::new(2, 5, 6, 3), Geometry::square(3, 2, 1));
    let op = Conv2dInt8::new(g, 5, &[-7]);
    let sample = conv2d_int8("twin", op.clone(), &[x]);
    let weight = &sample.inputs[1];
    let plain = Array::from_fn(Shape::new(3, 3, 4, 5), |ky, kx, row, o| weight.at(ky, kx, 0, 4 * o + row));
    // Sums less what zero gives: that belongs into the shift.
    let shift: Vec<f64> = (0..5)
        .map(|o| 7.0 * plain.data.iter().skip(o).step_by(5).sum::<f64>() * sample.inputs[2].data[o])
        .collect();
    let mut inputs = sample.inputs.clone();
    inputs[3].data = shift;
    let got = op.twin(&inputs).swap_remove(0);
    let real = Conv2d::new(g).twin(&[inputs[0].map(|q| q + 7.0), plain]).swap_remove(0);
    for (i, (got, real)) in got.data.iter().zip(&real.data).enumerate() {
        assert!((got - real * inputs[2].data[i % 5]).abs() < 1e-9, "{i}: {got} {real}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let g = Geometry::square(3, 1, 1);
    let x = Shape::new(1, 6, 6, 4);
    let shapes = |op: &Conv2dInt8, weight: Shape| {
        let c = Shape::channels(op.channels);
        op.shapes(&[x, weight, c, c]).unwrap_err().to_string()
    };
    let op = Conv2dInt8::new(g, 4, &[0]);
    assert!(shapes(&op, Shape::new(3, 3, 4, 4)).contains("3x3x1x16"));
    assert!(shapes(&Conv2dInt8::new(g.grouped(2), 4, &[0]), Shape::new(3, 3, 2, 4)).contains("depthwise"));
    let vast = Shape::new(1, 6, 6, 1 << 16);
    let op = Conv2dInt8::new(g, 4, &[0]);
    let (c, weight) = (Shape::channels(4), op.weight_shape(&[vast]));
    assert!(op.shapes(&[vast, weight, c, c]).unwrap_err().to_string().contains("32 bits"));
}

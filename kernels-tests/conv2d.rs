use gyre::{
    graph::{Operator, Shape},
    ops::{Act, Conv2d, FixedNorm, Geometry, Join, check::Sample, samples},
};

fn sample(label: &str, op: Conv2d, x: Shape, out: usize) -> Sample {
    samples::conv2d(label, op, &[x], out)
}

#[test]
fn dense() {
    for (k, s, p) in
        [(1, 1, 0), (1, 2, 0), (2, 1, 1), (2, 2, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2), (5, 2, 0), (7, 2, 3)]
    {
        let op = Conv2d { bias: k % 2 == 1, ..Conv2d::new(Geometry::square(k, s, p)) };
        crate::both([sample("dense", op.clone(), Shape::new(2, 9, 11, 5), 7)]);
        crate::forward([sample("wide", op, Shape::new(1, 8, 21, 13), 12)]);
    }
}

#[test]
fn one_pixel_one_channel() {
    let op = Conv2d { bias: true, ..Conv2d::new(Geometry::square(3, 1, 1)) };
    crate::both([
        sample("tiny", op.clone(), Shape::new(3, 1, 1, 1), 1),
        sample("row", op, Shape::new(1, 1, 19, 1), 13),
    ]);
}

#[test]
fn uneven_padding_and_dilation() {
    let uneven = Geometry { pads: [0, 1, 2, 1], stride: [2, 1], ..Geometry::square(3, 1, 0) };
    let dilated = Geometry { dilation: [2, 3], ..Geometry::square(3, 1, 3) };
    let strided = Geometry { dilation: [2, 1], stride: [2, 3], ..Geometry::square(3, 1, 2) };
    for g in [uneven, dilated, strided] {
        crate::both([sample("odd", Conv2d::new(g), Shape::new(2, 8, 9, 3), 5)]);
    }
}

#[test]
fn grouped_and_depthwise() {
    for (k, s, p, groups, input, out) in [
        (3, 1, 1, 2, 6, 4),
        (3, 2, 1, 3, 9, 12),
        (1, 1, 0, 2, 4, 4),
        (3, 1, 1, 13, 13, 13),
        (5, 2, 2, 6, 6, 6),
        (3, 1, 1, 3, 3, 6),
    ] {
        let op = Conv2d { bias: true, ..Conv2d::new(Geometry::square(k, s, p).grouped(groups)) };
        crate::both([sample("grouped", op, Shape::new(2, 7, 9, input), out)]);
    }
}

/// Wider than a strip and higher than a tile, with kernels that keep some, one or no column.
#[test]
fn depthwise_tiles() {
    for (k, s, p) in
        [(1, 1, 0), (2, 1, 1), (2, 2, 0), (3, 1, 1), (3, 2, 0), (4, 1, 2), (5, 1, 2), (5, 2, 2), (7, 1, 3)]
    {
        let op = Conv2d::new(Geometry::square(k, s, p).grouped(3));
        crate::both([sample("tiles", op, Shape::new(1, 9, 35, 3), 3)]);
    }
    let flat = Geometry { kernel: [1, 5], pads: [0, 3, 0, 1], ..Geometry::square(1, 1, 0) };
    let tall = Geometry { kernel: [5, 1], pads: [2, 0, 4, 0], stride: [2, 2], ..Geometry::square(1, 1, 0) };
    let dilated = Geometry { dilation: [1, 2], ..Geometry::square(3, 1, 2) };
    for g in [flat, tall, dilated] {
        crate::both([sample("tiles", Conv2d::new(g.grouped(5)), Shape::new(2, 5, 35, 5), 5)]);
    }
}

#[test]
fn two_sources() {
    let op = Conv2d { sources: 2, bias: true, ..Conv2d::new(Geometry::square(3, 1, 1)) };
    for (a, b) in [(5, 3), (4, 8), (1, 13)] {
        let x = Shape::new(2, 6, 10, a);
        crate::both([samples::conv2d("two sources", op.clone(), &[x, x.with_c(b)], 6)]);
    }
}

#[test]
fn epilogues() {
    let g = Geometry::square(3, 1, 1);
    let x = Shape::new(2, 5, 9, 6);
    for (op, out) in [
        (Conv2d { bias: true, act: Act::Relu, ..Conv2d::new(g) }, 10),
        (Conv2d { bias: true, act: Act::Sigmoid, ..Conv2d::new(g) }, 1),
        (Conv2d { act: Act::Tanh, ..Conv2d::new(g.grouped(2)) }, 4),
        (Conv2d { act: Act::LeakyRelu(0.1), ..Conv2d::new(g.grouped(6)) }, 6),
    ] {
        crate::both([sample(op.act.name(), op, x, out)]);
    }
    for (after, residual) in
        [(false, Join::Before), (false, Join::After), (true, Join::None), (true, Join::After)]
    {
        let norm = Some(FixedNorm { eps: 1e-5, after });
        let op = Conv2d { bias: true, norm, residual, act: Act::Silu, ..Conv2d::new(g) };
        crate::forward([sample(&format!("norm after {after}, residual {residual:?}"), op, x, 7)]);
    }
}

#[test]
fn misfits_are_refused() {
    let op = Conv2d::new(Geometry::square(3, 1, 0));
    assert!(op.shapes(&[Shape::new(1, 2, 8, 4), Shape::new(3, 3, 4, 4)]).is_err());
    let message = op.shapes(&[Shape::new(1, 8, 8, 5), Shape::new(3, 3, 4, 4)]).unwrap_err().to_string();
    assert!(message.contains("1x8x8x5") && message.contains("3x3x4x4"), "{message}");
}

#[test]
fn wide_sources() {
    let op = Conv2d { sources: 2, ..Conv2d::new(Geometry::square(1, 2, 0)) };
    let x = Shape::new(2, 17, 9, 21);
    crate::forward([samples::conv2d("two wide sources", op, &[x, x.with_c(30)], 70)]);
}

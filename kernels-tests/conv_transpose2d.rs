use gyre::{
    graph::{Operator, Shape},
    ops::{Act, ConvTranspose2d, Geometry, check::Sample, samples},
};

fn sample(op: ConvTranspose2d, x: Shape, out: usize) -> Sample {
    samples::conv_transpose2d("any", op, x, out)
}

#[test]
fn as_networks_use_it() {
    for bias in [true, false] {
        let two = ConvTranspose2d { bias, ..ConvTranspose2d::new(Geometry::square(2, 2, 0), [0, 0]) };
        let three = ConvTranspose2d { bias, ..ConvTranspose2d::new(Geometry::square(3, 2, 1), [1, 1]) };
        for (x, out) in
            [(Shape::new(3, 1, 1, 9), 5), (Shape::new(2, 5, 12, 4), 13), (Shape::new(1, 6, 7, 1), 8)]
        {
            crate::both([sample(two.clone(), x, out), sample(three.clone(), x, out)]);
        }
    }
}

#[test]
fn any_geometry() {
    let uneven = Geometry { stride: [1, 3], pads: [1, 0, 0, 1], ..Geometry::square(3, 1, 0) };
    let dilated = Geometry { dilation: [2, 1], stride: [2, 2], ..Geometry::square(3, 1, 1) };
    for g in [Geometry::square(4, 2, 1), uneven, dilated, Geometry::square(3, 1, 1).grouped(2)] {
        let op = ConvTranspose2d { bias: true, act: Act::Relu, ..ConvTranspose2d::new(g, [0, 0]) };
        crate::both([sample(op, Shape::new(2, 4, 5, 6), 4)]);
    }
    let depthwise = ConvTranspose2d::new(Geometry::square(3, 2, 1).grouped(5), [1, 1]);
    crate::both([sample(depthwise, Shape::new(2, 4, 6, 5), 5)]);
}

#[test]
fn too_much_output_padding_is_refused() {
    let op = ConvTranspose2d::new(Geometry::square(2, 2, 0), [2, 2]);
    assert!(op.shapes(&[Shape::new(1, 4, 4, 4), Shape::new(2, 2, 4, 4)]).is_err());
}

/// Wide enough for every tile, and more than one of each.
#[test]
fn every_tile() {
    let same = ConvTranspose2d::new(Geometry::square(3, 1, 1), [0, 0]);
    let doubling = ConvTranspose2d { bias: true, ..ConvTranspose2d::new(Geometry::square(2, 2, 0), [0, 0]) };
    crate::forward([
        sample(same, Shape::new(2, 6, 11, 34), 130),
        sample(doubling, Shape::new(3, 5, 7, 34), 70),
    ]);
}

use gyre::{
    graph::{Operator, Shape},
    ops::{Act, Linear, check::Sample},
};

fn sample(op: Linear, x: Shape, out: usize) -> Sample {
    let mut shapes = vec![x, Shape::new(1, 1, x.c, out)];
    let mut params = vec![1];
    if op.bias {
        shapes.push(Shape::channels(out));
        params.push(2);
    }
    Sample::new(format!("{op:?} {x} to {out}"), op, &shapes).params(&params)
}

#[test]
fn rows_pictures_and_pixels() {
    for bias in [true, false] {
        for (x, out) in [
            (Shape::new(1, 1, 1, 1), 1),
            (Shape::new(3, 1, 1, 13), 5),
            (Shape::new(1, 1, 7, 4), 13),
            (Shape::new(2, 3, 5, 6), 8),
        ] {
            crate::both([sample(Linear::new(bias), x, out)]);
        }
    }
}

#[test]
fn with_activation() {
    for act in [Act::Relu, Act::Sigmoid, Act::Tanh] {
        crate::both([sample(Linear { bias: true, act }, Shape::new(3, 1, 1, 9), 10)]);
    }
}

#[test]
fn weight_may_be_no_parameter() {
    crate::both([sample(Linear::new(true), Shape::new(3, 1, 2, 5), 6).params(&[])]);
}

#[test]
fn misfits_are_refused() {
    let (x, w) = (Shape::new(3, 1, 1, 9), Shape::new(1, 1, 9, 5));
    assert!(Linear::new(false).shapes(&[x, Shape::new(1, 1, 12, 5)]).is_err());
    assert!(Linear::new(true).shapes(&[x, w]).is_err());
    let message = Linear::new(true).shapes(&[x, w, Shape::channels(4)]).unwrap_err().to_string();
    assert!(message.contains("1x1x9x5"), "{message}");
}

use gyre::{
    graph::Shape,
    ops::{Act, BatchNormGrad, check::Sample},
};

#[test]
fn adds_into_the_accumulators() {
    let x = Shape::new(3, 4, 7, 6);
    let c = Shape::channels(6);
    for (train, joined) in [(true, false), (true, true), (false, true)] {
        let op = BatchNormGrad { train, act: Act::LeakyRelu(0.2), joined };
        let mut shapes = vec![x, x, Shape::new(1, 1, 2, 6), c, c, c, c];
        shapes.extend(joined.then_some(x));
        // Statistics that are not those of x: the kernel must use what it is given.
        crate::forward([Sample::new(format!("{train} {joined}"), op, &shapes)]);
    }
}

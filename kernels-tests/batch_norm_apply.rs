use gyre::{
    graph::Shape,
    ops::{Act, BatchNormApply, Join, check::Sample},
};

#[test]
fn normalises_by_the_statistics_given() {
    for (x, act, join) in [
        (Shape::new(3, 5, 7, 13), Act::Relu, Join::Before),
        (Shape::new(1, 1, 1, 1), Act::Identity, Join::None),
        (Shape::new(2, 3, 9, 6), Act::Silu, Join::After),
    ] {
        let c = Shape::channels(x.c);
        let mut shapes = vec![x, Shape::new(1, 1, 2, x.c), c, c];
        shapes.extend((join != Join::None).then_some(x));
        let op = BatchNormApply { act, join };
        crate::forward([Sample::new(format!("{x} {}", act.name()), op, &shapes).forward_only()]);
    }
}

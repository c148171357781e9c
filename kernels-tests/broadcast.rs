use gyre::{
    graph::Shape,
    ops::{Broadcast, check::Sample},
};

#[test]
fn every_way() {
    let to = Shape::new(3, 5, 4, 7);
    for x in [to, Shape::new(3, 1, 1, 7), Shape::new(3, 5, 4, 1), Shape::channels(7), Shape::SCALAR] {
        crate::both([Sample::new(format!("{x}"), Broadcast { to, scale: -0.5 }, &[x])]);
    }
}

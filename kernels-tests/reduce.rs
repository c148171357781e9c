use gyre::{
    graph::Shape,
    ops::{Keep, Reduce, check::Sample},
};

#[test]
fn every_axis() {
    for keep in [Keep::Channels, Keep::PictureChannels, Keep::Pixels, Keep::Nothing] {
        for x in [Shape::new(3, 5, 7, 13), Shape::new(1, 1, 1, 1), Shape::new(2, 17, 9, 4)] {
            crate::both([
                Sample::new(format!("sum {keep:?} {x}"), Reduce::sum(keep), &[x]),
                Sample::new(format!("mean {keep:?} {x}"), Reduce::mean(keep, x), &[x]),
                Sample::new(format!("product {keep:?} {x}"), Reduce::sum_of_product(keep), &[x, x]),
            ]);
        }
    }
}

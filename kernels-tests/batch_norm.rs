use gyre::{
    graph::Shape,
    ops::{Act, BatchNorm, Join, check::Sample},
};

fn sample(train: bool, act: Act, join: Join, x: Shape) -> Sample {
    let op = BatchNorm { act, join, ..BatchNorm::new(train, 1e-5, 0.1) };
    let channels = Shape::channels(x.c);
    let mut shapes = vec![x, channels, channels, channels, channels];
    if join != Join::None {
        shapes.push(x);
    }
    let label = format!("train {train}, {}, {join:?}, {x}", act.name());
    Sample::new(label, op, &shapes).params(&[1, 2]).constants(&[3, 4]).with(4, |v| v.abs() + 0.5).rtol(2e-4)
}

#[test]
fn by_batch_and_by_running_statistics() {
    for train in [true, false] {
        for x in [Shape::new(3, 5, 7, 13), Shape::new(2, 1, 1, 1), Shape::new(1, 9, 6, 4)] {
            crate::both([sample(train, Act::Identity, Join::None, x)]);
        }
    }
}

#[test]
fn with_activation_and_sum() {
    for train in [true, false] {
        for join in [Join::None, Join::Before, Join::After] {
            crate::both([sample(train, Act::Relu, join, Shape::new(2, 5, 4, 6))]);
            crate::both([sample(train, Act::Sigmoid, join, Shape::new(3, 3, 4, 1))]);
        }
    }
}

#[test]
fn large_common_offset() {
    let x = Shape::new(2, 16, 16, 5);
    crate::forward([sample(true, Act::Identity, Join::None, x).with(0, |v| v + 1000.0).rtol(1e-3)]);
}

#[test]
fn one_value_a_channel_is_refused() {
    use gyre::graph::Operator;
    let c = Shape::channels(4);
    assert!(BatchNorm::new(true, 1e-5, 0.1).shapes(&[c; 5]).is_err());
    assert!(BatchNorm::new(false, 1e-5, 0.1).shapes(&[c; 5]).is_ok());
}

use gyre::{
    graph::{Operator, Shape},
    ops::{Pool, PoolGrad, check::Sample},
};

#[test]
fn ties_go_to_the_first() {
    for pool in [Pool::max(2, 2, 0), Pool::max(3, 1, 1), Pool::max(3, 2, 1)] {
        let input = Shape::new(2, 7, 6, 5);
        let y = pool.shapes(&[input]).expect("fits")[0];
        let ties = Sample::new(format!("ties {pool:?}"), PoolGrad { pool, input }, &[y, input, y]);
        let mut ties = ties.with(1, f64::round);
        ties.inputs[2] = pool.twin(&ties.inputs[1..2]).swap_remove(0);
        crate::forward([ties]);
    }
}

#[test]
fn misfits_are_refused() {
    let (pool, input) = (Pool::max(2, 2, 0), Shape::new(1, 4, 4, 3));
    let y = Shape::new(1, 2, 2, 3);
    assert!(PoolGrad { pool, input }.shapes(&[y, input, y]).is_ok());
    assert!(PoolGrad { pool, input }.shapes(&[y, y, y]).is_err());
    assert!(PoolGrad { pool, input }.shapes(&[y]).is_err());
}

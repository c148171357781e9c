use gyre::{
    graph::{Operator, Shape},
    ops::{MatMul, check::Sample},
};

fn matrix(rows: usize, cols: usize, turned: bool) -> Shape {
    if turned { Shape::new(1, 1, cols, rows) } else { Shape::new(1, 1, rows, cols) }
}

fn sample(m: usize, k: usize, n: usize, ta: bool, tb: bool) -> Sample {
    let shapes = [matrix(m, k, ta), matrix(k, n, tb)];
    Sample::new(format!("{m}x{k}x{n} {ta} {tb}"), MatMul::new(ta, tb), &shapes)
}

#[test]
fn ragged_sizes_and_transposes() {
    for (m, k, n) in [(1, 1, 1), (3, 5, 7), (4, 4, 4), (13, 1, 9), (1, 13, 8), (6, 10, 13), (5, 17, 2)] {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let s = sample(m, k, n, ta, tb);
            crate::both([s.clone(), s.params(&[0, 1])]);
        }
    }
}

#[test]
fn rows_may_be_pixels() {
    let (x, w) = (Shape::new(3, 2, 5, 6), Shape::new(2, 3, 1, 9));
    crate::both([
        Sample::new("plain", MatMul::new(false, false), &[x, w]),
        Sample::new("left turned", MatMul::new(true, false), &[x, x.with_c(5)]),
        Sample::new("right turned", MatMul::new(false, true), &[x, Shape::new(2, 2, 2, 6)]),
        Sample::new("both turned", MatMul::new(true, true), &[x, Shape::new(3, 1, 1, 30)]),
    ]);
}

#[test]
fn a_larger_one() {
    crate::forward([sample(70, 129, 66, false, false), sample(66, 200, 33, true, true)]);
}

#[test]
fn misfits_are_refused() {
    let shapes = [Shape::new(1, 1, 3, 4), Shape::new(1, 1, 5, 4)];
    assert!(MatMul::new(false, true).shapes(&shapes).is_ok());
    let message = MatMul::new(false, false).shapes(&shapes).unwrap_err().to_string();
    assert!(message.contains("share an axis"), "{message}");
}

use gyre::{
    graph::{Array, Operator, Shape},
    ops::{PatchGrid, PatchScore, check::Sample},
};

#[test]
fn any_grid_and_size() {
    for (cells, size, [h, w], factor) in [
        ([1, 1], [1, 1], [1, 1], 1),
        ([8, 8], [64, 64], [64, 64], 8),
        ([3, 5], [17, 23], [18, 24], 1),
        ([3, 5], [17, 23], [18, 24], 3),
        ([7, 1], [7, 70], [9, 71], 1),
        ([2, 2], [90, 77], [96, 96], 32),
        ([5, 7], [90, 77], [90, 80], 5),
    ] {
        for (c, of_means) in [(1, false), (1, true), (2, false), (5, true), (13, false), (13, true)] {
            let op = PatchScore { grid: PatchGrid { cells, size }, of_means, factor };
            let label = format!("{cells:?} of {size:?}, {c} {of_means} {factor}");
            let sample = Sample::new(label, op, &[Shape::new(2, h / factor, w / factor, c)]);
            crate::forward([sample.with(0, |v| 0.5 * v.abs()).forward_only()]);
        }
    }
}

#[test]
fn patches_cover_a_picture_once() {
    for size in [1, 2, 7, 64, 999] {
        for cells in (1..=16).filter(|n| *n <= size) {
            let grid = PatchGrid { cells: [cells; 2], size: [size; 2] };
            let all: Vec<usize> = (0..cells).flat_map(|i| grid.span(0, i)).collect();
            assert_eq!(all, (0..size).collect::<Vec<_>>());
            let lengths = (0..cells).map(|i| grid.span(1, i).len());
            assert!(lengths.clone().max() == Some(grid.largest()[1]), "{size} {cells}");
            assert!(lengths.min() == Some(grid.smallest()[1]), "{size} {cells}");
        }
    }
}

/// A patch that is sure of two halves: unsure by its mean, not by its pixels. One class or two, the score is the same.
#[test]
fn what_is_unsure() {
    let grid = PatchGrid { cells: [1, 2], size: [2, 8] };
    let p = |x: usize| [0.0, 0.0, 1.0, 1.0, 0.6, 0.6, 0.4, 0.4][x];
    let one = Array::from_fn(Shape::new(1, 2, 8, 1), |_, _, x, _| p(x));
    let two = Array::from_fn(Shape::new(1, 2, 8, 2), |_, _, x, c| if c == 1 { p(x) } else { 1.0 - p(x) });
    for (of_means, want) in [(false, [0.0, 0.4]), (true, [0.5, 0.5])] {
        for map in [&one, &two] {
            let made = &PatchScore { grid, of_means, factor: 1 }.twin(std::slice::from_ref(map))[0].data;
            assert!(made.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{of_means} {made:?}");
        }
    }
}

#[test]
fn misfits_are_refused() {
    let map = Shape::new(1, 8, 8, 1);
    for (cells, size) in [([0, 1], [8, 8]), ([1, 9], [8, 8]), ([2, 2], [9, 8])] {
        let op = PatchScore { grid: PatchGrid { cells, size }, of_means: false, factor: 1 };
        assert!(op.shapes(&[map]).unwrap_err().to_string().contains("do not fit"), "{cells:?} {size:?}");
    }
    for factor in [0, 1 << 14] {
        let op = PatchScore { grid: PatchGrid { cells: [1, 1], size: [8, 8] }, of_means: false, factor };
        assert!(op.shapes(&[map]).unwrap_err().to_string().contains("cannot be enlarged"), "{factor}");
    }
}

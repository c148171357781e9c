use gyre::{
    graph::{Array, Operator, Shape},
    ops::{PatchGather, PatchGrid, PatchPaste, TopK, check::Sample},
};

/// With `k` patches of each of two pictures refined, which follow from scores in steps.
fn sample(
    grid: PatchGrid,
    window: [usize; 2],
    blend: usize,
    [h, w, factor]: [usize; 3],
    c: usize,
    k: usize,
) -> Sample {
    let shapes = [
        Shape::new(2, h / factor, w / factor, c),
        Shape::new(2 * k, window[0], window[1], c),
        Shape::new(2, grid.cells[0], grid.cells[1], 1),
    ];
    let label = format!("{grid:?} {window:?} {blend} {c} {k} {factor}");
    let mut sample =
        Sample::new(label, PatchPaste { grid, blend, factor }, &shapes).constants(&[2]).forward_only();
    let scores = sample.inputs[2].map(f64::round);
    sample.inputs[2] = TopK { k, at_least: None }.twin(&[scores]).swap_remove(1);
    sample
}

#[test]
fn any_size_and_number_pasted_or_blended() {
    for (cells, size, map, window, blend) in [
        ([2, 2], [8, 8], [8, 8, 1], [4, 4], 0),
        ([2, 2], [8, 8], [8, 8, 4], [8, 6], 1),
        ([2, 2], [9, 8], [9, 8, 1], [9, 8], 2),
        ([3, 4], [17, 23], [18, 24, 2], [6, 6], 0),
        ([3, 4], [17, 23], [18, 24, 1], [10, 10], 2),
        ([3, 4], [17, 23], [18, 24, 3], [10, 10], 2),
        ([1, 5], [3, 11], [3, 11, 1], [3, 5], 1),
        ([4, 3], [37, 41], [40, 48, 8], [16, 24], 3),
        ([1, 1], [1, 1], [1, 1, 1], [1, 1], 0),
    ] {
        let grid = PatchGrid { cells, size };
        for k in [1, grid.count() / 2 + 1, grid.count()] {
            for c in [1, 5, 8] {
                crate::forward([sample(grid, window, blend, map, c, k.min(grid.count()))]);
            }
        }
    }
}

/// What is cut out and pasted back unchanged is the map, blended or not.
#[test]
fn what_was_cut_out_fits_back() {
    let grid = PatchGrid { cells: [3, 4], size: [29, 43] };
    let map = Array::from_fn(Shape::new(2, 32, 48, 2), |n, y, x, c| (n * 7 + y * 5 + x * 3 + c) as f64 * 0.1);
    let scores = Array::from_fn(Shape::new(2, 3, 4, 1), |n, y, x, _| ((n + 3 * y + 5 * x) % 4) as f64);
    for k in [1, 5, 12] {
        let chosen = TopK { k, at_least: None }.twin(std::slice::from_ref(&scores));
        for (window, blend) in [([10, 11], 0), ([16, 24], 3), ([16, 24], 0)] {
            let cut = PatchGather { grid, window }.twin(&[map.clone(), chosen[0].clone()]).swap_remove(0);
            let made = &PatchPaste { grid, blend, factor: 1 }.twin(&[map.clone(), cut, chosen[1].clone()])[0];
            let far = made.data.iter().zip(&map.data).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-12, "{k} {window:?} {blend}: {far}");
        }
    }
}

/// Of a map of zeros and refined patches of ones: plain pasting jumps by 1 at a patch's border, blending by no more than a step
/// of its ramp, and both leave its middle and the padding alone.
#[test]
fn blending_leaves_no_seam() {
    let grid = PatchGrid { cells: [4, 4], size: [64, 64] };
    let map = Array::zeros(Shape::new(1, 64, 72, 1));
    let windows = Array::zeros(Shape::new(2, 32, 32, 1)).map(|_| 1.0);
    let ranks = Array::from_fn(Shape::new(1, 4, 4, 1), |_, y, x, _| match (y, x) {
        (1, 1) => 0.0,
        (1, 2) => 1.0,
        _ => -1.0,
    });
    let jump = |blend: usize| {
        let made =
            &PatchPaste { grid, blend, factor: 1 }.twin(&[map.clone(), windows.clone(), ranks.clone()])[0];
        assert_eq!((made.at(0, 24, 24, 0), made.at(0, 24, 32, 0), made.at(0, 24, 70, 0)), (1.0, 1.0, 0.0));
        let mut most = 0.0f64;
        for (y, x) in (1..64).flat_map(|y| (1..72).map(move |x| (y, x))) {
            let here = made.at(0, y, x, 0);
            most =
                most.max((here - made.at(0, y - 1, x, 0)).abs()).max((here - made.at(0, y, x - 1, 0)).abs());
        }
        most
    };
    assert_eq!(jump(0), 1.0);
    assert!((jump(4) - 1.0 / 8.0).abs() < 1e-12 && (jump(6) - 1.0 / 12.0).abs() < 1e-12);
}

#[test]
fn misfits_are_refused() {
    let grid = PatchGrid { cells: [2, 2], size: [8, 8] };
    let (map, ranks) = (Shape::new(2, 8, 8, 3), Shape::new(2, 2, 2, 1));
    let of = |blend, windows| PatchPaste { grid, blend, factor: 1 }.shapes(&[map, windows, ranks]);
    assert!(of(0, Shape::new(4, 4, 4, 3)).is_ok());
    assert!(of(0, Shape::new(3, 4, 4, 3)).is_err());
    assert!(of(0, Shape::new(4, 4, 4, 1)).is_err());
    assert!(of(1, Shape::new(4, 4, 4, 3)).unwrap_err().to_string().contains("blend"));
    assert!(of(3, Shape::new(4, 8, 8, 3)).unwrap_err().to_string().contains("twice"));
    let enlarged = |factor: usize, side: usize| {
        let shapes = [Shape::new(2, side, side, 3), Shape::new(4, 4, 4, 3), ranks];
        PatchPaste { grid, blend: 0, factor }.shapes(&shapes)
    };
    assert_eq!(enlarged(4, 2).unwrap(), [map]);
    assert!(enlarged(2, 2).unwrap_err().to_string().contains("do not fit"));
    assert!(enlarged(0, 8).unwrap_err().to_string().contains("cannot be enlarged"));
}

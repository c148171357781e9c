use gyre::{
    graph::{Operator, Shape},
    ops::{PatchGather, PatchGrid, check::Sample},
};

fn sample(grid: PatchGrid, window: [usize; 2], picture: Shape, places: &[i32]) -> Sample {
    let k = places.len() / picture.n;
    let label = format!("{grid:?} {window:?} {picture}");
    let shapes = [picture, Shape::new(picture.n, 1, k, 1)];
    let mut sample = Sample::new(label, PatchGather { grid, window }, &shapes).constants(&[1]).forward_only();
    sample.inputs[1].data = places.iter().copied().map(f64::from).collect();
    sample
}

#[test]
fn any_window_and_all_patches() {
    for (cells, size, [h, w], windows) in [
        ([2, 2], [8, 8], [8, 8], vec![[4, 4], [5, 7], [8, 8]]),
        ([3, 4], [17, 23], [18, 24], vec![[6, 6], [8, 9], [18, 24]]),
        ([1, 5], [3, 11], [3, 11], vec![[3, 3]]),
        ([1, 1], [1, 1], [1, 1], vec![[1, 1]]),
    ] {
        let grid = PatchGrid { cells, size };
        // All, the last first; and none of the second picture but one.
        let all = (0..grid.count() as i32).rev();
        let places: Vec<i32> = all.clone().chain(all.map(|i| i.min(0) - i32::from(i > 0))).collect();
        for window in windows {
            for c in [1, 3, 8] {
                crate::forward([sample(grid, window, Shape::new(2, h, w, c), &places)]);
            }
        }
    }
}

#[test]
fn windows_hold_their_patches_and_stay_inside() {
    for (size, cells, window, bound) in [(999, 8, 160, 1024), (64, 8, 8, 64), (17, 5, 11, 18), (7, 7, 7, 7)] {
        let grid = PatchGrid { cells: [cells; 2], size: [size; 2] };
        for i in 0..cells {
            let (span, start) = (grid.span(0, i), grid.origin(0, i, window, bound));
            assert!(start <= span.start && span.end <= start + window && start + window <= bound);
        }
    }
}

#[test]
fn misfits_are_refused() {
    let grid = PatchGrid { cells: [2, 2], size: [8, 8] };
    let (picture, places) = (Shape::new(2, 8, 8, 3), Shape::new(2, 1, 3, 1));
    assert!(PatchGather { grid, window: [3, 4] }.shapes(&[picture, places]).is_err());
    assert!(PatchGather { grid, window: [4, 9] }.shapes(&[picture, places]).is_err());
    let window = [4, 4];
    assert!(PatchGather { grid, window }.shapes(&[picture, Shape::new(1, 1, 3, 1)]).is_err());
    assert_eq!(PatchGather { grid, window }.shapes(&[picture, places]).unwrap(), [Shape::new(6, 4, 4, 3)]);
}

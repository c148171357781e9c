// Grids of patches over a picture, as ops/patch_score.rs has them.

// Where patch `i` of `cells` begins along a side of `size` pixels.
fn patch_start(i: u32, size: u32, cells: u32) -> u32 {
    return i * size / cells;
}

// Where the window of `length` pixels around the patch from `start` to `end` begins, within `bound`.
fn window_start(start: u32, end: u32, length: u32, bound: u32) -> u32 {
    let margin = (length - (end - start)) / 2u;
    return min(max(start, margin) - margin, bound - length);
}

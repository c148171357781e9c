// Windows around chosen patches of pictures as a batch; which they are is read here, so that the host need not know.
//
// One invocation a vec4 of the batch. Traffic: the batch once, and as much of the pictures.

import package::shared::grid::invocation;
import package::shared::patches::{patch_start, window_start};

struct Params {
    rows: u32, cols: u32, h: u32, w: u32,
    size: u32, k: u32, window_h: u32, window_w: u32, picture_h: u32, picture_w: u32, c4: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> windows: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> pictures: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> places: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i / p.c4;
    let line = pixel / p.window_w;
    let window = line / p.window_h;
    let place = i32(places[window].x);
    var v = vec4<f32>(0.0);
    if place >= 0 && place < i32(p.rows * p.cols) {
        let row = u32(place) / p.cols;
        let col = u32(place) - row * p.cols;
        let top = window_start(
            patch_start(row, p.h, p.rows), patch_start(row + 1u, p.h, p.rows), p.window_h, p.picture_h,
        );
        let left = window_start(
            patch_start(col, p.w, p.cols), patch_start(col + 1u, p.w, p.cols), p.window_w, p.picture_w,
        );
        let y = top + line - window * p.window_h;
        let x = left + pixel - line * p.window_w;
        v = pictures[((window / p.k * p.picture_h + y) * p.picture_w + x) * p.c4 + i % p.c4];
    }
    windows[i] = v;
}

// Windows around chosen patches of pictures as a batch; which they are is read here, so that the host need not know.
//
// An invocation makes RUN pixels of a row for one vec4 of channels. Traffic: the batch once, and as much of the pictures.

import package::variant::RUN;
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
    let strip = i / p.c4;
    let c = i - strip * p.c4;
    let strips = (p.window_w + RUN - 1u) / RUN;
    let line = strip / strips;
    let first = (strip - line * strips) * RUN;
    let window = line / p.window_h;
    let place = i32(places[window].x);
    let is_patch = place >= 0 && place < i32(p.rows * p.cols);
    let row = select(0u, u32(place), is_patch) / p.cols;
    let col = select(0u, u32(place), is_patch) - row * p.cols;
    let top = window_start(
        patch_start(row, p.h, p.rows), patch_start(row + 1u, p.h, p.rows), p.window_h, p.picture_h,
    );
    let left = window_start(
        patch_start(col, p.w, p.cols), patch_start(col + 1u, p.w, p.cols), p.window_w, p.picture_w,
    );
    let seen = (window / p.k * p.picture_h + top + line - window * p.window_h) * p.picture_w + left;
    for (var x = first; x < min(first + RUN, p.window_w); x++) {
        windows[(line * p.window_w + x) * p.c4 + c] =
            select(vec4<f32>(0.0), pictures[(seen + x) * p.c4 + c], is_patch);
    }
}

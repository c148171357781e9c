// Refined windows pasted over a map, or blended into it across the borders of their patches.
//
// An invocation makes RUN pixels of a row for one vec4 of channels, a strip of FACTOR where the map is seen enlarged, and finds
// the next patch without looking for it. Traffic: the result once; the map once, or of one that is seen enlarged six pixels a strip,
// mostly from cache; of windows what shows.

import package::variant::{FACTOR, RUN};
import package::shared::enlarge::{map, pixel, strip};
import package::shared::grid::invocation;
import package::shared::patches::{patch_start, window_start};

// map_h and map_w: of the result.
struct Params {
    rows: u32, cols: u32, h: u32, w: u32,
    size: u32, k: u32, window_h: u32, window_w: u32, map_h: u32, map_w: u32, c4: u32, blend: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> made: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> windows: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> ranks: array<vec4<f32>>;

// A patch along one axis: its number, its first pixel and the one after its last, and its share of a pixel.
struct Span { cell: u32, start: u32, end: u32, share: f32 }

// The patch from which a pixel has what it has not of `own`; its share is 0 where there is none.
@if(blended)
fn other(own: Span, at: u32, size: u32, cells: u32) -> Span {
    let before = f32(at - own.start) + 0.5;
    let after = f32(own.end - at) - 0.5;
    if (before < p.blend) && (own.cell > 0u) {
        return Span(own.cell - 1u, patch_start(own.cell - 1u, size, cells), own.start, 0.5 - 0.5 * before / p.blend);
    }
    if (after < p.blend) && (own.cell + 1u < cells) {
        return Span(own.cell + 1u, own.end, patch_start(own.cell + 2u, size, cells), 0.5 - 0.5 * after / p.blend);
    }
    return Span(own.cell, own.start, own.end, 0.0);
}

// Which of its picture's windows refines the patch at `row` and `col` of picture n: negative if none does.
fn rank(n: u32, row: Span, col: Span) -> i32 {
    return i32(ranks[(n * p.rows + row.cell) * p.cols + col.cell].x);
}

// What that window says of a pixel: `coarse` where there is none.
fn refined(n: u32, rank: i32, row: Span, col: Span, y: u32, x: u32, c: u32, coarse: vec4<f32>) -> vec4<f32> {
    if rank < 0 { return coarse; }
    let top = window_start(row.start, row.end, p.window_h, p.map_h);
    let left = window_start(col.start, col.end, p.window_w, p.map_w);
    let window = n * p.k + u32(rank);
    return windows[((window * p.window_h + y - top) * p.window_w + x - left) * p.c4 + c];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let c = i % p.c4;
    let run = i / p.c4;
    let runs = (p.map_w + RUN - 1u) / RUN;
    let line = run / runs;
    let first = (run - line * runs) * RUN;
    let n = line / p.map_h;
    let y = line - n * p.map_h;
    // Beyond the picture the last patch goes on, and nothing is taken of it.
    let cell_y = ((min(y, p.h - 1u) + 1u) * p.rows - 1u) / p.h;
    let cell_x = ((min(first, p.w - 1u) + 1u) * p.cols - 1u) / p.w;
    let row = Span(cell_y, patch_start(cell_y, p.h, p.rows), patch_start(cell_y + 1u, p.h, p.rows), 1.0);
    var col = Span(cell_x, patch_start(cell_x, p.w, p.cols), patch_start(cell_x + 1u, p.w, p.cols), 1.0);
    var own = rank(n, row, col);
    @if(blended) let next_row = other(row, min(y, p.h - 1u), p.h, p.rows);
    @if(enlarged) let seen = strip(n, y, first / FACTOR, p.map_h / FACTOR, p.map_w / FACTOR, c, p.c4);
    for (var x = first; x < min(first + RUN, p.map_w); x++) {
        @if(!enlarged) let seen = strip(n, y, x, p.map_h, p.map_w, c, p.c4);
        let coarse = pixel(seen, (x - first) % FACTOR);
        var v = coarse;
        if y < p.h && x < p.w {
            if x >= col.end {
                col.cell += 1u;
                col.start = col.end;
                col.end = patch_start(col.cell + 1u, p.w, p.cols);
                own = rank(n, row, col);
            }
            v = refined(n, own, row, col, y, x, c, coarse);
            @if(blended) {
                let next_col = other(col, x, p.w, p.cols);
                // A share of 0 takes what is read for the pixel itself, which is within all windows.
                if next_col.share > 0.0 {
                    let beside = refined(n, rank(n, row, next_col), row, next_col, y, x, c, coarse);
                    v = mix(v, beside, next_col.share);
                }
                if next_row.share > 0.0 {
                    var below = refined(n, rank(n, next_row, col), next_row, col, y, x, c, coarse);
                    if next_col.share > 0.0 {
                        let across = refined(n, rank(n, next_row, next_col), next_row, next_col, y, x, c, coarse);
                        below = mix(below, across, next_col.share);
                    }
                    v = mix(v, below, next_row.share);
                }
            }
        }
        made[(line * p.map_w + x) * p.c4 + c] = v;
    }
}

// How unsure probabilities are, by patches of a grid: the mean over a patch of what the largest probability of a pixel lacks
// to 1, or (of_means) what the largest of the patch's mean probabilities lacks.
//
// A workgroup a patch, whose invocations walk its strips (shared/enlarge) in fixed order; their sums meet in a tree. Traffic: the
// map once, or of one that is seen enlarged six pixels a strip, mostly from cache (of channels beyond four, six a pixel).

import package::variant::{FACTOR, THREADS};
import package::shared::enlarge::{map, pixel, strip};
import package::shared::patches::patch_start;

// map_h and map_w: of the map as it is stored.
struct Params { rows: u32, cols: u32, h: u32, w: u32, patches: u32, map_h: u32, map_w: u32, c4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> scores: array<vec4<f32>>;

var<workgroup> sums: array<vec4<f32>, THREADS>;

// The largest probability; padding lanes hold zero.
@if(binary)
fn largest(v: vec4<f32>) -> f32 { return max(v.x, 1.0 - v.x); }

@if(!binary)
fn largest(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }

// The sum over the workgroup, which calls this together.
fn total(v: vec4<f32>, lane: u32) -> vec4<f32> {
    sums[lane] = v;
    for (var span = THREADS / 2u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if lane < span { sums[lane] += sums[lane + span]; }
    }
    workgroupBarrier();
    let sum = sums[0];
    // The next call writes the sums again.
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group.x + group.y * groups.x;
    if i >= p.patches { return; }
    let line = i / p.cols;
    let col = i - line * p.cols;
    let n = line / p.rows;
    let row = line - n * p.rows;
    let top = patch_start(row, p.h, p.rows);
    let bottom = patch_start(row + 1u, p.h, p.rows);
    let left = patch_start(col, p.w, p.cols);
    let right = patch_start(col + 1u, p.w, p.cols);
    let share = 1.0 / f32((bottom - top) * (right - left));
    let first = left / FACTOR;
    let columns = (right + FACTOR - 1u) / FACTOR - first;
    let strips = (bottom - top) * columns;
    @if(!of_means) {
        var sum = 0.0;
        for (var s = lane; s < strips; s += THREADS) {
            let line = s / columns;
            let column = first + s - line * columns;
            let seen = strip(n, top + line, column, p.map_h, p.map_w, 0u, p.c4);
            for (var k = 0u; k < FACTOR; k++) {
                var best = largest(pixel(seen, k));
                @if(wide) {
                    for (var c = 1u; c < p.c4; c++) {
                        let more = strip(n, top + line, column, p.map_h, p.map_w, c, p.c4);
                        best = max(best, largest(pixel(more, k)));
                    }
                }
                let x = column * FACTOR + k;
                sum += select(0.0, 1.0 - best, x >= left && x < right);
            }
        }
        let all = total(vec4<f32>(sum, 0.0, 0.0, 0.0), lane);
        if lane == 0u { scores[i] = vec4<f32>(share * all.x, 0.0, 0.0, 0.0); }
    }
    @if(of_means) {
        var best = 0.0;
        for (var c = 0u; c < p.c4; c++) {
            var sum = vec4<f32>(0.0);
            for (var s = lane; s < strips; s += THREADS) {
                let line = s / columns;
                let column = first + s - line * columns;
                let seen = strip(n, top + line, column, p.map_h, p.map_w, c, p.c4);
                for (var k = 0u; k < FACTOR; k++) {
                    let x = column * FACTOR + k;
                    sum += select(vec4<f32>(0.0), pixel(seen, k), x >= left && x < right);
                }
            }
            best = max(best, largest(share * total(sum, lane)));
        }
        if lane == 0u { scores[i] = vec4<f32>(1.0 - best, 0.0, 0.0, 0.0); }
    }
}

// How unsure probabilities are, by patches of a grid: the mean over a patch of what the largest probability of a pixel lacks
// to 1, or (of_means) what the largest of the patch's mean probabilities lacks.
//
// A workgroup a patch, 32 invocations side by side, which walk its pixels in fixed order; their sums meet in a tree. Traffic:
// the map once.

import package::variant::THREADS;
import package::shared::patches::patch_start;

struct Params { rows: u32, cols: u32, h: u32, w: u32, patches: u32, map_h: u32, map_w: u32, c4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> scores: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> map: array<vec4<f32>>;

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
    @if(!of_means) {
        var sum = 0.0;
        for (var y = top + lane / 32u; y < bottom; y += THREADS / 32u) {
            let start = (n * p.map_h + y) * p.map_w;
            for (var x = left + lane % 32u; x < right; x += 32u) {
                var best = 0.0;
                for (var c = 0u; c < p.c4; c++) { best = max(best, largest(map[(start + x) * p.c4 + c])); }
                sum += 1.0 - best;
            }
        }
        let all = total(vec4<f32>(sum, 0.0, 0.0, 0.0), lane);
        if lane == 0u { scores[i] = vec4<f32>(share * all.x, 0.0, 0.0, 0.0); }
    }
    @if(of_means) {
        var best = 0.0;
        for (var c = 0u; c < p.c4; c++) {
            var sum = vec4<f32>(0.0);
            for (var y = top + lane / 32u; y < bottom; y += THREADS / 32u) {
                let start = (n * p.map_h + y) * p.map_w;
                for (var x = left + lane % 32u; x < right; x += 32u) { sum += map[(start + x) * p.c4 + c]; }
            }
            best = max(best, largest(share * total(sum, lane)));
        }
        if lane == 0u { scores[i] = vec4<f32>(1.0 - best, 0.0, 0.0, 0.0); }
    }
}

// One step of the conditional random field (eq 14): to every belief its neighbours' are added, by likeness and through the
// compatibility of labels; where traced, the energy of the state before the step is summed up on the way.
//
// One invocation a vec4, which gathers all channels of the neighbours where labels are not compatible with themselves alone;
// workgroups do not cross pictures. Traffic: beliefs five times a vec4, mostly from cache, likeness once, the new beliefs
// once; one partial sum a workgroup.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};
import package::shared::lanes::clear_padding;
import package::shared::part::{part, Part};
import package::shared::tree::tree_sum;

// `keep`: factor of the old belief; `rate`: of what is added. `row`: of the partial sums, first workgroup of this step.
struct Params {
    vec4s: u32, groups: u32, pictures: u32, h: u32, w: u32, c4: u32, channels: u32,
    keep: f32, rate: f32, anchor: f32, row: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@if(!still) @group(0) @binding(1) var<storage, read_write> next: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> likeness: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> compatibility: array<vec4<f32>>;
@if(anchored) @group(0) @binding(5) var<storage, read> start: array<vec4<f32>>;
@if(traced) @group(0) @binding(6) var<storage, read_write> partial: array<vec4<f32>>;

fn gathered(at: vec4<u32>, k: vec4<f32>, c: u32) -> vec4<f32> {
    let place = at * p.c4 + c;
    return k.x * v[place.x] + k.y * v[place.y] + k.z * v[place.z] + k.w * v[place.w];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let linear = invocation(gid, groups);
    let mine = part(linear, p.vec4s, p.groups, p.pictures);
    let i = mine.i;
    let pixel = i / p.c4;
    let c = i % p.c4;
    let near = around(pixel, p.h, p.w);
    let k = near.there * likeness[pixel];
    var seen = vec4<f32>(0.0);
    @if(!matrix) { seen = compatibility[0].x * gathered(near.at, k, c); }
    @if(matrix) {
        // Rows past the last label do not exist; what they would add is cleared.
        let row = min(vec4<u32>(0u, 1u, 2u, 3u) + 4u * c, vec4<u32>(p.channels - 1u)) * p.c4;
        for (var m = 0u; m < p.c4; m++) {
            let found = gathered(near.at, k, m);
            seen += vec4<f32>(
                dot(compatibility[row.x + m], found),
                dot(compatibility[row.y + m], found),
                dot(compatibility[row.z + m], found),
                dot(compatibility[row.w + m], found),
            );
        }
        seen = clear_padding(seen, c, p.channels);
    }
    let own = v[i];
    @if(!still) {
        var moved = p.keep * own + p.rate * seen;
        @if(anchored) { moved += p.anchor * (start[i] - own); }
        if mine.alive { next[i] = moved; }
    }
    @if(traced) {
        let energy = select(0.0, -dot(own, seen), mine.alive);
        let sum = tree_sum(vec4<f32>(energy, 0.0, 0.0, 0.0), linear % 64u);
        if linear % 64u == 0u && mine.group < p.groups * p.pictures { partial[p.row + mine.group] = sum; }
    }
}

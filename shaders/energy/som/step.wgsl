// One step of the self-organising map: every belief moves towards its neighbours' by their weights, and where anchored back
// towards where it began. Where traced, the edge energy of the state before the step is summed up on the way.
//
// One invocation a vec4; workgroups do not cross pictures. Traffic: beliefs five times, mostly from cache, weights (and mask)
// once, the new beliefs once; one partial sum a workgroup.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};
import package::shared::part::{part, Part};
import package::shared::tree::tree_sum;

// `vec4s` and `groups`: of a picture. `row`: of the partial sums, first workgroup of this step.
struct Params { vec4s: u32, groups: u32, pictures: u32, h: u32, w: u32, c4: u32, anchor: f32, row: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@if(!still) @group(0) @binding(1) var<storage, read_write> next: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@if(!still) @group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@if(anchored) @group(0) @binding(4) var<storage, read> start: array<vec4<f32>>;
@if(traced) @group(0) @binding(5) var<storage, read> edges: array<vec4<f32>>;
@if(traced) @group(0) @binding(6) var<storage, read_write> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let linear = invocation(gid, groups);
    let mine = part(linear, p.vec4s, p.groups, p.pictures);
    let i = mine.i;
    let pixel = i / p.c4;
    let c = i % p.c4;
    let near = around(pixel, p.h, p.w);
    let own = v[i];
    let up = v[near.at.x * p.c4 + c] - own;
    let down = v[near.at.y * p.c4 + c] - own;
    let left = v[near.at.z * p.c4 + c] - own;
    let right = v[near.at.w * p.c4 + c] - own;
    @if(!still) {
        let weight = weights[pixel];
        var moved = own + weight.x * up + weight.y * down + weight.z * left + weight.w * right;
        @if(anchored) { moved += p.anchor * (start[i] - own); }
        if mine.alive { next[i] = moved; }
    }
    @if(traced) {
        // Every edge is met from both its ends.
        let apart = vec4<f32>(dot(up, up), dot(down, down), dot(left, left), dot(right, right));
        let energy = select(0.0, 0.25 * dot(edges[pixel] * near.there, apart), mine.alive);
        let sum = tree_sum(vec4<f32>(energy, 0.0, 0.0, 0.0), linear % 64u);
        if linear % 64u == 0u && mine.group < p.groups * p.pictures { partial[p.row + mine.group] = sum; }
    }
}

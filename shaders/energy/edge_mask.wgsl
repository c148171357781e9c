// Which neighbours a pixel listens to (eq 8): 1 where the filtered picture differs by at most a threshold, or softly by a
// sigmoid; or the gradient of the soft form.
//
// One invocation a pixel. Traffic: the filtered picture (and mask and gradient of the mask) five times, mostly from
// cache; the result once.

import package::shared::grid::invocation;
import package::shared::around::{around, towards, Around};

struct Params { pixels: u32, h: u32, w: u32, threshold: f32, sharpness: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> filtered: array<vec4<f32>>;
@if(backward) @group(0) @binding(3) var<storage, read> edges: array<vec4<f32>>;
@if(backward) @group(0) @binding(4) var<storage, read> slopes: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let near = around(i, p.h, p.w);
    let at = near.at;
    let seen = vec4<f32>(filtered[at.x].x, filtered[at.y].x, filtered[at.z].x, filtered[at.w].x);
    let apart = vec4<f32>(filtered[i].x) - seen;
    @if(!backward && !soft) { result[i] = select(vec4<f32>(0.0), near.there, abs(apart) <= vec4<f32>(p.threshold)); }
    @if(!backward && soft) {
        result[i] = near.there / (1.0 + exp(clamp((abs(apart) - p.threshold) * p.sharpness, vec4<f32>(-80.0), vec4<f32>(80.0))));
    }
    @if(backward) {
        // An edge stands in the mask of both its pixels; both slopes act on both.
        let there = towards(slopes[at.x], slopes[at.y], slopes[at.z], slopes[at.w]);
        let phi = edges[i];
        let bend = phi * (1.0 - phi) * (slopes[i] + there) * near.there;
        result[i] = vec4<f32>(-p.sharpness * dot(bend, sign(apart)), 0.0, 0.0, 0.0);
    }
}

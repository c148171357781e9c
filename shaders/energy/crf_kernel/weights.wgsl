// How alike a pixel and its neighbours are: a Gaussian of their difference, made to sum to 1 over the neighbours that exist
// where normalised (eq 12).
//
// One invocation a pixel. Traffic: x five times, mostly from cache; weights once.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};

struct Params { pixels: u32, h: u32, w: u32, c4: u32, narrow: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let near = around(i, p.h, p.w);
    var apart = vec4<f32>(0.0);
    for (var c = 0u; c < p.c4; c++) {
        let own = x[i * p.c4 + c];
        let at = near.at * p.c4 + c;
        let up = x[at.x] - own;
        let down = x[at.y] - own;
        let left = x[at.z] - own;
        let right = x[at.w] - own;
        apart += vec4<f32>(dot(up, up), dot(down, down), dot(left, left), dot(right, right));
    }
    apart *= p.narrow;
    @if(!normalised) { weights[i] = near.there * exp(-apart); }
    @if(normalised) {
        let seen = select(vec4<f32>(3.0e38), apart, near.there > vec4<f32>(0.0));
        let least = min(min(seen.x, seen.y), min(seen.z, seen.w));
        let raw = near.there * exp(min(least - apart, vec4<f32>(0.0)));
        // A picture of one pixel has no neighbours.
        weights[i] = raw / max(dot(raw, vec4<f32>(1.0)), 1e-30);
    }
}

// Energy of a belief map by pixel: eq 7, the distances among all pairs of a pixel and its neighbours; or half of every whole
// edge's; or the gradient of the first.
//
// One invocation a pixel (of the gradient a vec4). Traffic: v five times (the gradient twenty-five), mostly from cache; the
// result once.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};

struct Params { size: u32, h: u32, w: u32, c4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@if(edges) @group(0) @binding(3) var<storage, read> phi: array<vec4<f32>>;
@if(backward) @group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;

// Sum of a vec4 of a pixel's channels over it and its neighbours.
fn together(near: Around, pixel: u32, c: u32) -> vec4<f32> {
    let at = near.at * p.c4 + c;
    return v[pixel * p.c4 + c] + near.there.x * v[at.x] + near.there.y * v[at.y] + near.there.z * v[at.z]
        + near.there.w * v[at.w];
}

fn size_of(near: Around) -> f32 {
    return 1.0 + dot(near.there, vec4<f32>(1.0));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    @if(!backward) {
        let near = around(i, p.h, p.w);
        var sum = 0.0;
        for (var c = 0u; c < p.c4; c++) {
            let at = near.at * p.c4 + c;
            let own = v[i * p.c4 + c];
            let a = v[at.x];
            let b = v[at.y];
            let d = v[at.z];
            let e = v[at.w];
            @if(edges) {
                let apart = vec4<f32>(dot(a - own, a - own), dot(b - own, b - own), dot(d - own, d - own), dot(e - own, e - own));
                sum += 0.25 * dot(phi[i] * near.there, apart);
            }
            @if(!edges) {
                // All distances are those to one of them, whose own size drops out.
                let mean = together(near, i, c) / size_of(near);
                let apart = vec4<f32>(dot(a - mean, a - mean), dot(b - mean, b - mean), dot(d - mean, d - mean), dot(e - mean, e - mean));
                sum += 0.2 * size_of(near) * (dot(own - mean, own - mean) + dot(near.there, apart));
            }
        }
        result[i] = vec4<f32>(sum, 0.0, 0.0, 0.0);
    }
    @if(backward) {
        let pixel = i / p.c4;
        let c = i % p.c4;
        let near = around(pixel, p.h, p.w);
        let own = v[i];
        var sum = dy[pixel].x * (size_of(near) * own - together(near, pixel, c));
        for (var d = 0u; d < 4u; d++) {
            let other = near.at[d];
            let there = around(other, p.h, p.w);
            sum += near.there[d] * dy[other].x * (size_of(there) * own - together(there, other, c));
        }
        result[i] = 0.4 * sum;
    }
}

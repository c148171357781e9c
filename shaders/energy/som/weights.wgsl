// How much of each neighbour's difference a pixel takes over in a step of the self-organising map: eq 9, equal shares of
// the neighbours that it listens to; or eq 10, shares by response.
//
// One invocation a pixel. Traffic: mask once, responses five times, mostly from cache; weights once.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};
import package::shared::shares::{shares, Shares};

struct Params { pixels: u32, h: u32, w: u32, rate: f32, own: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> edges: array<vec4<f32>>;
@if(response) @group(0) @binding(3) var<storage, read> responses: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let near = around(i, p.h, p.w);
    let phi = edges[i] * near.there;
    @if(!response) {
        let heard = dot(phi, vec4<f32>(1.0));
        weights[i] = phi * select(0.0, p.rate / (heard + p.own), heard > 0.0);
    }
    @if(response) {
        let at = near.at;
        let r = vec4<f32>(responses[at.x].x, responses[at.y].x, responses[at.z].x, responses[at.w].x);
        weights[i] = p.rate * shares(phi, near.there, responses[i].x, r).taken;
    }
}

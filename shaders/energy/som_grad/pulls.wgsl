// Gradient of a step of the self-organising map, first stage: for each pixel the weights that it gave its neighbours, how its
// loss pulls at their responses and its own, and at its edges.
//
// One invocation a pixel, which walks the channels of five. Traffic: v five times, mostly from cache, dy and mask once; four
// small results once.

import package::shared::grid::invocation;
import package::shared::around::{around, Around};
import package::shared::shares::{shares, Shares};

struct Params { pixels: u32, h: u32, w: u32, c4: u32, rate: f32, own: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> edges: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> dy: array<vec4<f32>>;
@if(response) @group(0) @binding(5) var<storage, read> responses: array<vec4<f32>>;
@if(response) @group(0) @binding(6) var<storage, read_write> pulls: array<vec4<f32>>;
@if(response) @group(0) @binding(7) var<storage, read_write> own_pull: array<vec4<f32>>;
@if(by_edges) @group(0) @binding(8) var<storage, read_write> edge_slopes: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let near = around(i, p.h, p.w);
    let at = near.at;
    let phi = edges[i] * near.there;
    // What the loss would gain if a neighbour's weight grew.
    var gain = vec4<f32>(0.0);
    for (var c = 0u; c < p.c4; c++) {
        let own = v[i * p.c4 + c];
        let d = dy[i * p.c4 + c];
        gain += vec4<f32>(
            dot(d, v[at.x * p.c4 + c] - own),
            dot(d, v[at.y * p.c4 + c] - own),
            dot(d, v[at.z * p.c4 + c] - own),
            dot(d, v[at.w * p.c4 + c] - own),
        );
    }
    @if(!response) {
        let heard = dot(phi, vec4<f32>(1.0));
        let share = select(0.0, p.rate / (heard + p.own), heard > 0.0);
        weights[i] = phi * share;
        @if(by_edges) {
            let mean = select(0.0, dot(phi, gain) / (heard + p.own), heard > 0.0);
            edge_slopes[i] = share * (gain - mean) * near.there;
        }
    }
    @if(response) {
        let r = vec4<f32>(responses[at.x].x, responses[at.y].x, responses[at.z].x, responses[at.w].x);
        let given = shares(phi, near.there, responses[i].x, r);
        let mean = dot(given.taken, gain);
        weights[i] = p.rate * given.taken;
        @if(literal) let felt = phi;
        @if(!literal) let felt = vec4<f32>(1.0);
        pulls[i] = p.rate * felt * given.taken * (gain - mean);
        own_pull[i] = vec4<f32>(-p.rate * given.own * mean, 0.0, 0.0, 0.0);
        @if(by_edges) {
            @if(literal) let slope = r * given.taken;
            @if(!literal) let slope = given.raw;
            edge_slopes[i] = p.rate * slope * (gain - mean) * near.there;
        }
    }
}

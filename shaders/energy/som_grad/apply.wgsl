// Gradient of a step of the self-organising map, second stage: by the beliefs before it.
//
// One invocation a vec4. Traffic: dy and weights (and pulls) five times, mostly from cache, v once; the gradient once.

import package::shared::grid::invocation;
import package::shared::around::{around, towards, Around};
import package::shared::lanes::clear_padding;

struct Params { size: u32, h: u32, w: u32, c4: u32, channels: u32, anchor: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dv: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@if(response) @group(0) @binding(4) var<storage, read> v: array<vec4<f32>>;
@if(response) @group(0) @binding(5) var<storage, read> pulls: array<vec4<f32>>;
@if(response) @group(0) @binding(6) var<storage, read> own_pull: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i / p.c4;
    let c = i % p.c4;
    let near = around(pixel, p.h, p.w);
    let at = near.at;
    let heard = near.there * towards(weights[at.x], weights[at.y], weights[at.z], weights[at.w]);
    var sum = dy[i] * (1.0 - p.anchor - dot(weights[pixel], vec4<f32>(1.0)));
    sum += heard.x * dy[at.x * p.c4 + c] + heard.y * dy[at.y * p.c4 + c];
    sum += heard.z * dy[at.z * p.c4 + c] + heard.w * dy[at.w * p.c4 + c];
    @if(response) {
        let others = near.there * towards(pulls[at.x], pulls[at.y], pulls[at.z], pulls[at.w]);
        let pull = own_pull[pixel].x + dot(others, vec4<f32>(1.0));
        var total = 0.0;
        for (var k = pixel * p.c4; k < (pixel + 1u) * p.c4; k++) { total += dot(v[k], vec4<f32>(1.0)); }
        sum += clear_padding(2.0 * pull * (f32(p.channels) * v[i] - total), c, p.channels);
    }
    dv[i] = sum;
}

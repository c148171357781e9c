// The largest first channel of each share of each picture's pixels; none is below zero.
//
// A workgroup a share, which walks every `shares`-th block of 64 pixels. Traffic: x once.

import package::shared::tree::tree_max;

struct Params { groups: u32, count: u32, shares: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = group.x + group.y * groups.x;
    if part >= p.groups { return; }
    let first = part / p.shares * p.count;
    var most = vec4<f32>(0.0);
    for (var i = part % p.shares * 64u + lane; i < p.count; i += p.shares * 64u) {
        most.x = max(most.x, x[first + i].x);
    }
    let all = tree_max(most, lane);
    if lane == 0u { y[part] = vec4<f32>(all.x, 0.0, 0.0, 0.0); }
}

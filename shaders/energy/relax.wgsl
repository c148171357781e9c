// A step from a along b - d, or towards b: y = a + rate * (b - d), where d is a unless `direct`.
//
// One invocation a vec4; padding lanes of all are zero and stay so. Traffic: each tensor once.

import package::shared::grid::invocation;

struct Params { size: u32, rate: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<f32>>;
@if(direct) @group(0) @binding(4) var<storage, read> d: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let before = a[i];
    @if(direct) let origin = d[i];
    @if(!direct) let origin = before;
    y[i] = fma(vec4<f32>(p.rate), b[i] - origin, before);
}

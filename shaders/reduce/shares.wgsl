// Sum over pixels, second stage: adds the shares in a fixed order, times a factor, into y where `into`.
//
// One invocation a vec4 of y. Traffic: each partial sum read once.

import package::shared::grid::invocation;

struct Params { size: u32, c4: u32, shares: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let first = i / p.c4 * p.c4 * p.shares + i % p.c4;
    var sum = vec4<f32>(0.0);
    for (var s = 0u; s < p.shares; s++) {
        sum += partial[first + s * p.c4];
    }
    @if(into) { y[i] += sum * p.scale; }
    @if(!into) { y[i] = sum * p.scale; }
}

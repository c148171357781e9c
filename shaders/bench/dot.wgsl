// Dot products of packed 8-bit integers on registers alone.
//
// Tiling: an invocation runs 16 independent chains. Traffic: one vec4 an invocation, written so that nothing
// can be left out.

import package::shared::grid::invocation;

struct Params { size: u32, rounds: u32, factor: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<i32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    var v: array<i32, 16>;
    for (var k = 0u; k < 16u; k++) { v[k] = i32(i + k); }
    for (var round = 0u; round < p.rounds; round++) {
        for (var k = 0u; k < 16u; k++) { v[k] += dot4I8Packed(bitcast<u32>(v[k]), p.factor); }
    }
    var sum = vec4<i32>(0);
    for (var k = 0u; k < 16u; k += 4u) { sum += vec4<i32>(v[k], v[k + 1u], v[k + 2u], v[k + 3u]); }
    y[i] = sum;
}

// Multiply-adds on registers alone: the rate of the arithmetic units, in f32 or (`half`) in f16.
//
// Tiling: an invocation runs 16 independent chains of vec4, long enough to hide each other's latency.
// Traffic: one vec4 an invocation, written so that nothing can be left out.

import package::shared::grid::invocation;

@if(half) enable f16;

@if(!half) alias Number = f32;
@if(half) alias Number = f16;

struct Params { size: u32, rounds: u32, factor: f32, term: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let factor = vec4<Number>(Number(p.factor));
    let term = vec4<Number>(Number(p.term));
    var v: array<vec4<Number>, 16>;
    for (var k = 0u; k < 16u; k++) { v[k] = vec4<Number>(Number(i % 16u + k)); }
    for (var round = 0u; round < p.rounds; round++) {
        for (var k = 0u; k < 16u; k++) { v[k] = fma(v[k], factor, term); }
    }
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < 16u; k++) { sum += vec4<f32>(v[k]); }
    y[i] = sum;
}

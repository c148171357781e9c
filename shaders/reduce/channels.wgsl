// Sum over the channels of each pixel.
//
// One invocation a pixel; padding lanes hold zero and may be added. Traffic: each tensor read once.

import package::shared::grid::invocation;

struct Params { pixels: u32, c4: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(product) @group(0) @binding(3) var<storage, read> x2: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    var sum = vec4<f32>(0.0);
    for (var c = i * p.c4; c < (i + 1u) * p.c4; c++) {
        @if(product) { sum = fma(x[c], x2[c], sum); }
        @if(!product) { sum += x[c]; }
    }
    y[i] = vec4<f32>((sum.x + sum.y + sum.z + sum.w) * p.scale, 0.0, 0.0, 0.0);
}

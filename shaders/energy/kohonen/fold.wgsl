// The sum of the first channels of `count` pixels, times a factor.
//
// One workgroup. Traffic: each pixel once.

import package::shared::tree::tree_sum;

struct Params { count: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < p.count; i += 64u) {
        sum += partial[i].x;
    }
    let all = tree_sum(vec4<f32>(sum, 0.0, 0.0, 0.0), lane);
    if lane == 0u { y[0] = vec4<f32>(all.x * p.scale, 0.0, 0.0, 0.0); }
}

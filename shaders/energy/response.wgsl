// Response of each pixel's belief, L sum v^2 - (sum v)^2 over its L channels, or the gradient of that.
//
// One invocation a pixel, which walks its channels once (the gradient twice). Traffic: v read once from memory, the result
// written once.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { pixels: u32, c4: u32, channels: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@if(backward) @group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let first = i * p.c4;
    var sum = 0.0;
    var squares = 0.0;
    for (var c = first; c < first + p.c4; c++) {
        sum += dot(v[c], vec4<f32>(1.0));
        squares += dot(v[c], v[c]);
    }
    let size = f32(p.channels);
    @if(!backward) { result[i] = vec4<f32>(size * squares - sum * sum, 0.0, 0.0, 0.0); }
    @if(backward) {
        let pull = 2.0 * dy[i].x;
        for (var c = 0u; c < p.c4; c++) {
            result[first + c] = clear_padding(pull * (size * v[first + c] - sum), c, p.channels);
        }
    }
}

// Signed distances from the distances along columns: the least over a row of the squares of both ways together.
//
// One invocation a vec4, which looks at its whole row. Traffic: both distances of a row once a vec4 of it, mostly from cache;
// the result once.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { size: u32, w: u32, c4: u32, channels: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> object: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> ground: array<vec4<f32>>;

// Squares of distances are less in any picture.
const NONE = 1.0e15;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let c = i % p.c4;
    let x = i / p.c4 % p.w;
    let row = i - x * p.c4;
    var to_object = vec4<f32>(2.0 * NONE);
    var to_ground = vec4<f32>(2.0 * NONE);
    for (var u = 0u; u < p.w; u++) {
        let along = f32(u) - f32(x);
        let there = row + u * p.c4;
        to_object = min(to_object, along * along + object[there] * object[there]);
        to_ground = min(to_ground, along * along + ground[there] * ground[there]);
    }
    let inside = to_object == vec4<f32>(0.0);
    var distance = select(sqrt(to_object), 1.0 - sqrt(to_ground), inside);
    distance = select(distance, vec4<f32>(0.0), max(to_object, to_ground) > vec4<f32>(NONE));
    @if(skip_background) { if c == 0u { distance.x = 0.0; } }
    result[i] = clear_padding(distance, c, p.channels);
}

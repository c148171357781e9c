// Distances along columns to the nearest pixel of the object, and to the nearest that is not of it.
//
// One invocation four channels of a column, which it walks down and up again. Traffic: the mask once, both distances
// written twice and read once.

import package::shared::grid::invocation;

// `pitch`: vec4s of a row.
struct Params { n: u32, h: u32, pitch: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> object: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> ground: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> mask: array<vec4<f32>>;

// More than any picture measures; its square is still a number.
const FAR = 1.0e8;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let linear = invocation(gid, groups);
    if linear >= p.n * p.pitch { return; }
    let first = linear / p.pitch * p.h * p.pitch + linear % p.pitch;
    var to_object = vec4<f32>(FAR);
    var to_ground = vec4<f32>(FAR);
    for (var y = 0u; y < p.h; y++) {
        let i = first + y * p.pitch;
        let inside = mask[i] > vec4<f32>(0.5);
        to_object = select(to_object + 1.0, vec4<f32>(0.0), inside);
        to_ground = select(vec4<f32>(0.0), to_ground + 1.0, inside);
        object[i] = to_object;
        ground[i] = to_ground;
    }
    for (var y = p.h; y > 0u; y--) {
        let i = first + (y - 1u) * p.pitch;
        to_object = min(to_object + 1.0, object[i]);
        to_ground = min(to_ground + 1.0, ground[i]);
        object[i] = to_object;
        ground[i] = to_ground;
    }
}

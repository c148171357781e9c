// The response of Frangi's filter to the curves of each pixel, S (x) and R (y), and the largest S of its picture; 1
// where there is none.
//
// One invocation a pixel. Traffic: each tensor once.

import package::shared::grid::invocation;

struct Params { size: u32, picture: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> curves: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> top: array<vec4<f32>>;

// 1 - exp(-t), whose difference would lose the digits of a small t.
fn risen(t: f32) -> f32 {
    let small = t * (1.0 - t * (0.5 - t * (1.0 / 6.0 - t / 24.0)));
    return select(1.0 - exp(-t), small, t < 0.05);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let curve = curves[i].xy;
    let gamma = 0.5 * top[i / p.picture].x;
    // A flat picture has no scale and no edges.
    let s = select(curve.x / max(gamma, 1e-37), 0.0, gamma == 0.0);
    let v = exp(-2.0 * curve.y * curve.y) * risen(0.5 * s * s);
    y[i] = vec4<f32>(select(v, 1.0, v < 5.9604645e-8), 0.0, 0.0, 0.0);
}

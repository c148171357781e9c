// Gaussian blur over five pixels along one axis, zeros beyond the border; of colours made grey where `grey`.
//
// One invocation a pixel. Traffic: y once; x five times, mostly from cache.

import package::shared::grid::invocation;

// `across`: 1 along rows, 0 along columns. `middle`, `near` and `far` are the weights.
struct Params { size: u32, h: i32, w: i32, across: i32, middle: f32, near: f32, far: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

struct Place { first: i32, row: i32, column: i32 }

fn seen(at: Place, d: i32) -> f32 {
    let row = at.row + d * (1 - p.across);
    let column = at.column + d * p.across;
    if row < 0 || row >= p.h || column < 0 || column >= p.w { return 0.0; }
    let v = x[u32((at.first + row) * p.w + column)];
    @if(grey) { return dot(v.xyz, vec3<f32>(0.299, 0.587, 0.114)); }
    @if(!grey) { return v.x; }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let line = i32(i) / p.w;
    let row = line % p.h;
    let at = Place(line - row, row, i32(i) % p.w);
    let sides = p.near * (seen(at, -1) + seen(at, 1)) + p.far * (seen(at, -2) + seen(at, 2));
    y[i] = vec4<f32>(fma(p.middle, seen(at, 0), sides), 0.0, 0.0, 0.0);
}

// A range of channels, or a tensor set among channels of zeros.
//
// One invocation a unit of y: a vec4 where the range falls on multiples of four channels (`whole`), else one
// number. Traffic: y once, the range of x once.

import package::shared::grid::invocation;

// Counted in units; channel c of y is channel c + offset of x where that lies in 0..count and c in 0..end.
struct Params { size: u32, pitch: u32, end: i32, x_pitch: u32, count: i32, offset: i32 }

@if(whole) alias Unit = vec4<f32>;
@if(!whole) alias Unit = f32;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<Unit>;
@group(0) @binding(2) var<storage, read> x: array<Unit>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let c = i32(i % p.pitch);
    let seen = c + p.offset;
    var v = Unit();
    if c < p.end && seen >= 0 && seen < p.count { v = x[i / p.pitch * p.x_pitch + u32(seen)]; }
    y[i] = v;
}

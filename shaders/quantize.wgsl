// Numbers as integers of eight bits: the nearest of (q - zero) * scale, ties to even.
//
// One invocation a vec4. Traffic: x once, and a quarter of it for y.

import package::shared::grid::invocation;
import package::shared::int8::packed;
import package::shared::lanes::present;

struct Params { size: u32, c4: u32, channels: u32, inverse: f32, zero: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    y[i] = packed(x[i], p.inverse, p.zero, present(i % p.c4, p.channels));
}

// Normalises, with a sum before or after the activation in the same pass.
//
// One invocation a vec4. Traffic: x (and the summand) read once, y written once.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::activate::activate;

struct Params { size: u32, c4: u32, channels: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> statistics: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> beta: array<vec4<f32>>;
@if(before || after) @group(0) @binding(6) var<storage, read> joined: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let c = i % p.c4;
    // Subtracting the mean first keeps a large common offset from costing digits.
    var v = fma((x[i] - statistics[c]) * statistics[p.c4 + c], gamma[c], beta[c]);
    @if(before) { v += joined[i]; }
    v = activate(v, p.slope);
    @if(after) { v += joined[i]; }
    y[i] = clear_padding(v, c, p.channels);
}

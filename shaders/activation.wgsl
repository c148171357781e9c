// An activation, or its gradient by input or output.
//
// One invocation a vec4. Traffic: each tensor once.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::activate::{activate, derivative, derivative_of_output};

struct Params { size: u32, c4: u32, channels: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(of_input || of_output) @group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    var v = x[i];
    @if(of_input) { v = derivative(v, p.slope) * dy[i]; }
    @if(of_output) { v = derivative_of_output(v, p.slope) * dy[i]; }
    @if(!of_input && !of_output) { v = activate(v, p.slope); }
    // The others make zero of zero, as all derivatives do of a gradient of zero.
    @if(!of_input && !of_output && (sigmoid || softplus)) { v = clear_padding(v, i % p.c4, p.channels); }
    y[i] = v;
}

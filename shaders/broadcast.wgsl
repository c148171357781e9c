// A tensor repeated along the axes where it has one element, times a factor.
//
// One invocation a vec4. Traffic: y written once; x stays in cache.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { size: u32, c4: u32, channels: u32, picture: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    var v: vec4<f32>;
    @if(same) { v = x[i]; }
    @if(channels) { v = x[i % p.c4]; }
    @if(picture_channels) { v = x[i / p.picture * p.c4 + i % p.c4]; }
    @if(pixels) { v = vec4<f32>(x[i / p.c4].x); }
    @if(scalar) { v = vec4<f32>(x[0].x); }
    y[i] = clear_padding(v * p.scale, i % p.c4, p.channels);
}

// Sum, difference or product of two tensors, the second broadcast, or a sum into the first.
//
// One invocation a vec4. Traffic: each tensor once; the broadcast one stays in cache.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { size: u32, c4: u32, channels: u32, picture: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@if(!into) @group(0) @binding(3) var<storage, read> a: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    var left: vec4<f32>;
    @if(into) { left = y[i]; }
    @if(!into) { left = a[i]; }
    var right: vec4<f32>;
    @if(same) { right = b[i]; }
    @if(channels) { right = b[i % p.c4]; }
    @if(picture_channels) { right = b[i / p.picture * p.c4 + i % p.c4]; }
    @if(pixels) { right = vec4<f32>(b[i / p.c4].x); }
    @if(scalar) { right = vec4<f32>(b[0].x); }
    var v: vec4<f32>;
    @if(add) { v = left + right; }
    @if(sub) { v = left - right; }
    @if(mul) { v = left * right; }
    // Elsewhere padding is made of padding: of zeros.
    @if(pixels || scalar) { v = clear_padding(v, i % p.c4, p.channels); }
    y[i] = v;
}

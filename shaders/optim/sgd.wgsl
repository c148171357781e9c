// Gradient descent with momentum: one step of all parameters of an arena.
//
// One invocation a vec4; padding lanes stay zero, as their gradients are zero. Traffic: gradient read once;
// value and velocity read and written once.

import package::shared::grid::invocation;

struct Params { size: u32, l2: f32, rate: f32, keep: f32, take: f32, bound: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> value: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@if(momentum) @group(0) @binding(3) var<storage, read_write> velocity: array<vec4<f32>>;
@if(clip_norm) @group(0) @binding(4) var<storage, read> clip: array<vec4<f32>>;
// As optim/scale has it.
@if(scaled) @group(0) @binding(5) var<storage, read> scaling: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let v = value[i];
    var g = gradient[i];
    var take = p.take;
    @if(scaled) {
        if scaling[0].z == 0.0 { return; }
        g *= scaling[0].z;
        take = scaling[2].w;
    }
    @if(clip_norm) { g *= clip[0].y; }
    @if(clip_value) { g = clamp(g, vec4<f32>(-p.bound), vec4<f32>(p.bound)); }
    g = fma(vec4<f32>(p.l2), v, g);
    @if(momentum) {
        let speed = fma(vec4<f32>(p.keep), velocity[i], take * g);
        velocity[i] = speed;
        @if(nesterov) { g = fma(vec4<f32>(p.keep), speed, g); }
        @if(!nesterov) { g = speed; }
    }
    value[i] = fma(vec4<f32>(-p.rate), g, v);
}

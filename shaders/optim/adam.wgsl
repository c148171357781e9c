// Adam, AdamW and NAdam: one step of all parameters of an arena. The host prepares the factors, which is
// where the three differ.
//
// One invocation a vec4; padding lanes stay zero, as their gradients are zero. Traffic: gradient read once;
// value and moments read and written once.

import package::shared::grid::invocation;

struct Params {
    size: u32, l2: f32, decay: f32, take1: f32, keep2: f32, take2: f32,
    root: f32, eps: f32, by_moment: f32, by_gradient: f32, bound: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> value: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> moment1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> moment2: array<vec4<f32>>;
@if(amsgrad) @group(0) @binding(5) var<storage, read_write> highest: array<vec4<f32>>;
@if(clip_norm) @group(0) @binding(6) var<storage, read> clip: array<vec4<f32>>;
// As optim/scale has it.
@if(scaled) @group(0) @binding(7) var<storage, read> scaling: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let v = value[i];
    var g = gradient[i];
    var factors = vec3<f32>(p.root, p.by_moment, p.by_gradient);
    @if(scaled) {
        if scaling[0].z == 0.0 { return; }
        g *= scaling[0].z;
        factors = scaling[2].xyz;
    }
    @if(clip_norm) { g *= clip[0].y; }
    @if(clip_value) { g = clamp(g, vec4<f32>(-p.bound), vec4<f32>(p.bound)); }
    g = fma(vec4<f32>(p.l2), v, g);
    let m1 = moment1[i];
    let first = fma(g - m1, vec4<f32>(p.take1), m1);
    moment1[i] = first;
    var second = p.keep2 * moment2[i] + p.take2 * g * g;
    moment2[i] = second;
    @if(amsgrad) {
        second = max(second, highest[i]);
        highest[i] = second;
    }
    // The root of zero may be computed through an infinity; next to eps the bound is nothing.
    let spread = fma(sqrt(max(second, vec4<f32>(1e-37))), vec4<f32>(factors.x), vec4<f32>(p.eps));
    let change = fma(vec4<f32>(factors.z), g, factors.y * first) / spread;
    value[i] = v - fma(vec4<f32>(p.decay), v, change);
}

// Sum over pixels, first stage: one partial sum a picture, share and vec4 of channels.
//
// An invocation walks the pixels of its share; neighbouring invocations read neighbouring channels.
// Traffic: each tensor read once; the second stage, reduce/shares, is small.

import package::shared::grid::invocation;

struct Params { pictures: u32, pixels: u32, c4: u32, shares: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(product) @group(0) @binding(3) var<storage, read> x2: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pictures * p.shares * p.c4 { return; }
    let share = i / p.c4 % p.shares;
    let first = i / (p.c4 * p.shares) * p.pixels;
    var sum = vec4<f32>(0.0);
    for (var pixel = share; pixel < p.pixels; pixel += p.shares) {
        let at = (first + pixel) * p.c4 + i % p.c4;
        @if(product) { sum = fma(x[at], x2[at], sum); }
        @if(!product) { sum += x[at]; }
    }
    partial[i] = sum;
}

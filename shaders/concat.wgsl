// Up to six tensors side by side along the channels.
//
// One invocation a unit of y: a vec4 where all sources start at a multiple of four channels (`whole`), else
// one number. Traffic: each tensor once.

import package::shared::grid::invocation;

// Counted in units: `ends` are those of the sources in y, `pitch` is what a pixel takes.
struct Params {
    size: u32, pitch: u32,
    end0: u32, end1: u32, end2: u32, end3: u32, end4: u32, end5: u32,
    pitch0: u32, pitch1: u32, pitch2: u32, pitch3: u32, pitch4: u32, pitch5: u32,
}

@if(whole) alias Unit = vec4<f32>;
@if(!whole) alias Unit = f32;

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<Unit>;
@group(0) @binding(2) var<storage, read> x0: array<Unit>;
@group(0) @binding(3) var<storage, read> x1: array<Unit>;
@if(three) @group(0) @binding(4) var<storage, read> x2: array<Unit>;
@if(four) @group(0) @binding(5) var<storage, read> x3: array<Unit>;
@if(five) @group(0) @binding(6) var<storage, read> x4: array<Unit>;
@if(six) @group(0) @binding(7) var<storage, read> x5: array<Unit>;

fn seen(pixel: u32, c: u32) -> Unit {
    if c < p.end0 { return x0[pixel * p.pitch0 + c]; }
    if c < p.end1 { return x1[pixel * p.pitch1 + c - p.end0]; }
    @if(three) { if c < p.end2 { return x2[pixel * p.pitch2 + c - p.end1]; } }
    @if(four) { if c < p.end3 { return x3[pixel * p.pitch3 + c - p.end2]; } }
    @if(five) { if c < p.end4 { return x4[pixel * p.pitch4 + c - p.end3]; } }
    @if(six) { if c < p.end5 { return x5[pixel * p.pitch5 + c - p.end4]; } }
    // The padding of y.
    return Unit();
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    y[i] = seen(i / p.pitch, i % p.pitch);
}

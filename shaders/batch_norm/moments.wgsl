// Batch statistics, first stage: mean and summed squared deviation of each share of the pixels.
//
// An invocation walks the pixels of its share for one vec4 of channels, relative to the first of them, so
// that a large common offset cancels before it is squared. Traffic: x read once.

import package::shared::grid::invocation;

struct Params { pixels: u32, c4: u32, shares: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.shares * p.c4 { return; }
    let share = i / p.c4;
    let c = i % p.c4;
    let origin = x[share * p.c4 + c];
    var sum = vec4<f32>(0.0);
    var squares = vec4<f32>(0.0);
    var count = 0.0;
    for (var pixel = share; pixel < p.pixels; pixel += p.shares) {
        let d = x[pixel * p.c4 + c] - origin;
        sum += d;
        squares = fma(d, d, squares);
        count += 1.0;
    }
    let shift = sum / count;
    let at = share * 2u * p.c4 + c;
    partial[at] = origin + shift;
    partial[at + p.c4] = max(squares - sum * shift, vec4<f32>(0.0));
}

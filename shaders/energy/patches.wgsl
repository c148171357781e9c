// A picture cut into patches of SIZE x SIZE pixels, one a pixel of the result, channels slowest; or patches put
// together where `back`.
//
// One invocation a vec4 of the result, whose four numbers lie in four places. Traffic: y once; x a vec4 for each
// number, mostly from cache.

import package::variant::SIZE;
import package::shared::grid::invocation;

// `w`, `c4` and `channels` of the picture; `across` patches in a row, `k4` vec4s of each.
struct Params { size: u32, w: u32, c4: u32, channels: u32, across: u32, k4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

// Number `k` of the row of the patch at `column` and `line`; lines go on from picture to picture.
@if(!back)
fn number(line: u32, column: u32, k: u32) -> f32 {
    let c = k / (SIZE * SIZE);
    if c >= p.channels { return 0.0; }
    let row = line * SIZE + k / SIZE % SIZE;
    let pixel = row * p.w + column * SIZE + k % SIZE;
    return x[pixel * p.c4 + c / 4u][c % 4u];
}

// Channel `c` of the pixel at `column` and `line`.
@if(back)
fn number(line: u32, column: u32, c: u32) -> f32 {
    if c >= p.channels { return 0.0; }
    let k = (c * SIZE + line % SIZE) * SIZE + column % SIZE;
    let cell = line / SIZE * p.across + column / SIZE;
    return x[cell * p.k4 + k / 4u][k % 4u];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    @if(back) let width = p.w;
    @if(!back) let width = p.across;
    @if(back) let depth = p.c4;
    @if(!back) let depth = p.k4;
    let pixel = i / depth;
    let first = 4u * (i % depth);
    let line = pixel / width;
    let column = pixel % width;
    y[i] = vec4<f32>(
        number(line, column, first),
        number(line, column, first + 1u),
        number(line, column, first + 2u),
        number(line, column, first + 3u),
    );
}

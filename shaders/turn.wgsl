// Quarter turns and mirror images of pictures.
//
// One invocation a vec4 of y; where its pixel comes from is linear in row and column. Traffic: x once, y once. A quarter turn
// reads down the columns of x.

import package::shared::grid::invocation;

// Pixel (h, w) of a picture of y is pixel base + h down + w across of that picture of x.
struct Params { size: u32, c4: u32, width: u32, height: u32, base: i32, down: i32, across: i32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i / p.c4;
    let row = pixel / p.width;
    let picture = row / p.height;
    let inside = p.base + i32(row % p.height) * p.down + i32(pixel % p.width) * p.across;
    y[i] = x[(picture * p.width * p.height + u32(inside)) * p.c4 + i % p.c4];
}

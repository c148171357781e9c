// Second stage of a weight gradient: adds the shares in a fixed order to the rows of the accumulator that
// belong to this source.
//
// One invocation a vec4 of the weight. Traffic: each partial sum read once, the accumulator read and
// written once.

import package::shared::grid::invocation;

struct Params {
    shares: u32, taps: u32, rows: u32, cols4: u32,
    total_rows: u32, first_row: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dw: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    let size = p.taps * p.rows * p.cols4;
    if i >= size { return; }
    var sum = vec4<f32>(0.0);
    for (var s = 0u; s < p.shares; s++) {
        sum += partial[s * size + i];
    }
    let tap = i / (p.rows * p.cols4);
    let inside = i % (p.rows * p.cols4);
    dw[(tap * p.total_rows + p.first_row) * p.cols4 + inside] += sum;
}

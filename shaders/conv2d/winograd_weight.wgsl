// Winograd's minimal filtering of a 3 x 3 convolution, first of four steps: the weights of the SIDE * SIDE products,
// each a matrix of input by output channels. `adjoint`: those of the transposed convolution, whose taps
// are turned and whose rows are the weight's columns.
//
// Tiling: an invocation turns the taps of one input channel and four output channels. Traffic: the weight read
// once, SIDE * SIDE / 9 times as much written.

import package::shared::grid::invocation;
import package::shared::winograd::{SIDE, weight_line};

// rows x cols4 vec4: of what is made; `from_rows` and `from_cols4` those of the weight, whose rows begin at first_row.
struct Params { rows: u32, cols4: u32, from_rows: u32, from_cols4: u32, first_row: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> u: array<vec4<f32>>;
@if(!adjoint) @group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@if(adjoint) @group(0) @binding(2) var<storage, read> w: array<f32>;

fn weight(tap: u32, row: u32, c4: u32) -> vec4<f32> {
    @if(!adjoint) { return w[(tap * p.from_rows + row) * p.from_cols4 + c4]; }
    @if(adjoint) {
        let pitch = 4u * p.from_cols4;
        let at = ((8u - tap) * p.from_rows + p.first_row + 4u * c4) * pitch + row;
        return vec4<f32>(w[at], w[at + pitch], w[at + 2u * pitch], w[at + 3u * pitch]);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.rows * p.cols4 { return; }
    let row = i / p.cols4;
    let c4 = i - row * p.cols4;
    var columns: array<array<vec4<f32>, SIDE>, 3>;
    for (var x = 0u; x < 3u; x++) {
        columns[x] = weight_line(array(weight(x, row, c4), weight(3u + x, row, c4), weight(6u + x, row, c4)));
    }
    for (var y = 0u; y < SIDE; y++) {
        let line = weight_line(array(columns[0][y], columns[1][y], columns[2][y]));
        for (var x = 0u; x < SIDE; x++) { u[(y * SIDE + x) * p.rows * p.cols4 + i] = line[x]; }
    }
}

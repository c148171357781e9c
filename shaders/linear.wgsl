// Fully connected layer: every pixel's channels times a matrix, with bias and activation.
//
// Tiling: an invocation holds 4 pixels x COLS vec4 of outputs in registers and runs over the inputs four at
// a time; no workgroup memory.
// Traffic per step: 4 + 4 * COLS vec4 loads for 64 * COLS multiply-adds.

import package::variant::COLS;
import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::activate::activate;
import package::shared::tile::product;

struct Params { pixels: u32, inputs: u32, in_c4: u32, outputs: u32, out_c4: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w: array<vec4<f32>>;
@if(bias) @group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;

// Row `input` of the weight; the padding lanes of x multiply the last row, by zero.
fn weight(input: u32, col: u32) -> vec4<f32> {
    return w[min(input, p.inputs - 1u) * p.out_c4 + col];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    let blocks = (p.out_c4 + COLS - 1u) / COLS;
    let pixel = i / blocks * 4u;
    let col = i % blocks * COLS;
    if pixel >= p.pixels { return; }
    let last = p.pixels - 1u;
    var acc: array<array<vec4<f32>, COLS>, 4>;
    for (var c = 0u; c < p.in_c4; c++) {
        let v0 = x[pixel * p.in_c4 + c];
        let v1 = x[min(pixel + 1u, last) * p.in_c4 + c];
        let v2 = x[min(pixel + 2u, last) * p.in_c4 + c];
        let v3 = x[min(pixel + 3u, last) * p.in_c4 + c];
        for (var q = 0u; q < COLS; q++) {
            let at = min(col + q, p.out_c4 - 1u);
            let block = mat4x4<f32>(weight(4u * c, at), weight(4u * c + 1u, at), weight(4u * c + 2u, at),
                weight(4u * c + 3u, at));
            acc[0][q] = product(v0, block, acc[0][q]);
            acc[1][q] = product(v1, block, acc[1][q]);
            acc[2][q] = product(v2, block, acc[2][q]);
            acc[3][q] = product(v3, block, acc[3][q]);
        }
    }
    for (var r = 0u; r < min(4u, p.pixels - pixel); r++) {
        for (var q = 0u; q < min(COLS, p.out_c4 - col); q++) {
            var v = acc[r][q];
            @if(bias) { v += bias[col + q]; }
            y[(pixel + r) * p.out_c4 + col + q] = clear_padding(activate(v, p.slope), col + q, p.outputs);
        }
    }
}

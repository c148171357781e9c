// Product of two square matrices, y = a b, as fast as plain arithmetic goes: the ceiling that convolutions
// are held to. Sizes are multiples of the tile, so nothing is guarded.
//
// Tiling: an invocation holds ROWS rows x COLS vec4 of columns in registers. Without workgroup memory factors
// come from cache: ROWS + 4 * COLS vec4 loads for 16 * ROWS * COLS multiply-adds. With it (`staged`) a
// workgroup of 8 x 8 invocations stages a strip of STEP columns of a and rows of b.

import package::variant::{ROWS, COLS};

struct Params { size: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<f32>>;

// Vec4s of a row of a, and rows of b by four, that are staged at once.
const STEP = 4u;
@if(staged) var<workgroup> left: array<vec4<f32>, 8 * ROWS * STEP>;
@if(staged) var<workgroup> right: array<vec4<f32>, 4 * STEP * 8 * COLS>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let pitch = p.size / 4u;
    let tiles = pitch / (8u * COLS);
    let tile = group.x + group.y * groups.x;
    let top = tile / tiles * 8u * ROWS;
    let left_column = tile % tiles * 8u * COLS;
    if top >= p.size { return; }
    let row = local / 8u * ROWS;
    let column = local % 8u * COLS;
    var acc: array<array<vec4<f32>, COLS>, ROWS>;
    @if(staged) {
        for (var k = 0u; k < pitch; k += STEP) {
            for (var i = local; i < 8u * ROWS * STEP; i += 64u) {
                left[i] = a[(top + i / STEP) * pitch + k + i % STEP];
            }
            for (var i = local; i < 4u * STEP * 8u * COLS; i += 64u) {
                right[i] = b[(4u * k + i / (8u * COLS)) * pitch + left_column + i % (8u * COLS)];
            }
            workgroupBarrier();
            for (var s = 0u; s < STEP; s++) {
                var v: array<vec4<f32>, ROWS>;
                for (var r = 0u; r < ROWS; r++) { v[r] = left[(row + r) * STEP + s]; }
                for (var q = 0u; q < COLS; q++) {
                    let at = 4u * s * 8u * COLS + column + q;
                    let w0 = right[at];
                    let w1 = right[at + 8u * COLS];
                    let w2 = right[at + 16u * COLS];
                    let w3 = right[at + 24u * COLS];
                    for (var r = 0u; r < ROWS; r++) {
                        acc[r][q] = fma(vec4<f32>(v[r].x), w0, fma(vec4<f32>(v[r].y), w1,
                            fma(vec4<f32>(v[r].z), w2, fma(vec4<f32>(v[r].w), w3, acc[r][q]))));
                    }
                }
            }
            workgroupBarrier();
        }
    }
    @if(!staged) {
        for (var k = 0u; k < pitch; k++) {
            var v: array<vec4<f32>, ROWS>;
            for (var r = 0u; r < ROWS; r++) { v[r] = a[(top + row + r) * pitch + k]; }
            for (var q = 0u; q < COLS; q++) {
                let at = 4u * k * pitch + left_column + column + q;
                let w0 = b[at];
                let w1 = b[at + pitch];
                let w2 = b[at + 2u * pitch];
                let w3 = b[at + 3u * pitch];
                for (var r = 0u; r < ROWS; r++) {
                    acc[r][q] = fma(vec4<f32>(v[r].x), w0, fma(vec4<f32>(v[r].y), w1,
                        fma(vec4<f32>(v[r].z), w2, fma(vec4<f32>(v[r].w), w3, acc[r][q]))));
                }
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        for (var q = 0u; q < COLS; q++) {
            y[(top + row + r) * pitch + left_column + column + q] = acc[r][q];
        }
    }
}

// Product of two matrices, each as stored or transposed.
//
// Tiling: an invocation holds 4 rows x COLS vec4 of columns in registers and runs over the shared axis four
// at a time; transposed factors are turned in registers; no workgroup memory.
// Traffic per step: 4 + 4 * COLS vec4 loads for 64 * COLS multiply-adds.

import package::variant::COLS;
import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::tile::product;

// The product is rows x cols over `inner`; pitches in vec4.
struct Params {
    rows: u32, cols: u32, inner: u32,
    a_pitch: u32, b_pitch: u32, y_pitch: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> b: array<vec4<f32>>;

// Four rows from `first` on of column block `col`. Past the last row the last is repeated: as a row of y it
// is not stored, and along the shared axis its factor is zero.
fn a_block(first: u32, last: u32, col: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        a[first * p.a_pitch + col],
        a[min(first + 1u, last) * p.a_pitch + col],
        a[min(first + 2u, last) * p.a_pitch + col],
        a[min(first + 3u, last) * p.a_pitch + col],
    );
}

fn b_block(first: u32, last: u32, col: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        b[first * p.b_pitch + col],
        b[min(first + 1u, last) * p.b_pitch + col],
        b[min(first + 2u, last) * p.b_pitch + col],
        b[min(first + 3u, last) * p.b_pitch + col],
    );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    let blocks = (p.y_pitch + COLS - 1u) / COLS;
    let row = i / blocks * 4u;
    let col = i % blocks * COLS;
    if row >= p.rows { return; }
    var acc: array<array<vec4<f32>, COLS>, 4>;
    for (var k = 0u; k < p.inner; k += 4u) {
        var left: mat4x4<f32>;
        @if(!transpose_a) { left = a_block(row, p.rows - 1u, k / 4u); }
        @if(transpose_a) {
            left = transpose(a_block(k, p.inner - 1u, row / 4u));
            // Rows of a past its end are repeats, not zeros as its padding lanes are.
            let lane = vec4<u32>(0u, 1u, 2u, 3u) + k;
            let real = lane < vec4<u32>(p.inner);
            let zero = vec4<f32>(0.0);
            left = mat4x4<f32>(select(zero, left[0], real), select(zero, left[1], real),
                select(zero, left[2], real), select(zero, left[3], real));
        }
        for (var q = 0u; q < COLS; q++) {
            // The last block may reach past the last column; it then repeats it, unstored.
            let at = min(col + q, p.y_pitch - 1u);
            var right: mat4x4<f32>;
            @if(!transpose_b) { right = b_block(k, p.inner - 1u, at); }
            @if(transpose_b) { right = transpose(b_block(4u * at, p.cols - 1u, k / 4u)); }
            acc[0][q] = product(left[0], right, acc[0][q]);
            acc[1][q] = product(left[1], right, acc[1][q]);
            acc[2][q] = product(left[2], right, acc[2][q]);
            acc[3][q] = product(left[3], right, acc[3][q]);
        }
    }
    for (var r = 0u; r < min(4u, p.rows - row); r++) {
        for (var q = 0u; q < min(COLS, p.y_pitch - col); q++) {
            let at = (row + r) * p.y_pitch + col + q;
            let v = clear_padding(acc[r][q], col + q, p.cols);
            @if(into) { y[at] += v; }
            @if(!into) { y[at] = v; }
        }
    }
}

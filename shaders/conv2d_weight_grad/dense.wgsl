// Gradient of a dense convolution by its weight, first stage: partial sums over a share of the output
// rows. The second stage, conv2d_weight_grad/sum, adds the shares in a fixed order.
//
// Tiling: an invocation holds ROWS vec4 of input channels x COLS vec4 of output channels of one tap
// (an outer product a pixel) in registers and runs over pixels; no workgroup memory.
// Traffic per pixel: ROWS + COLS vec4 loads for 16 * ROWS * COLS multiply-adds.

import package::variant::{ROWS, COLS};
import package::shared::correlation::Correlation;
import package::shared::grid::invocation;

@group(0) @binding(0) var<uniform> p: Correlation;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let col_blocks = (p.out_c4 + COLS - 1u) / COLS;
    let row_blocks = (p.in_c4 + ROWS - 1u) / ROWS;
    var rest = invocation(gid, groups);
    let col = (rest % col_blocks) * COLS;
    rest /= col_blocks;
    let row = (rest % row_blocks) * ROWS;
    rest /= row_blocks;
    let taps = u32(p.kernel_h * p.kernel_w);
    let tap = rest % taps;
    let share = rest / taps;
    if share >= p.shares { return; }
    let ky = i32(tap) / p.kernel_w * p.dilation_y - p.pad_y;
    let kx = i32(tap) % p.kernel_w * p.dilation_x - p.pad_x;
    var acc: array<array<vec4<f32>, COLS>, ROWS * 4u>;
    // Columns of the output whose tap falls inside the input.
    let first = max(0, (p.stride_x - 1 - kx) / p.stride_x);
    let last = min(p.out_w, (p.in_w - 1 - kx + p.stride_x) / p.stride_x);
    for (var line = i32(share); line < p.batch * p.out_h; line += i32(p.shares)) {
        let iy = (line % p.out_h) * p.stride_y + ky;
        if iy < 0 || iy >= p.in_h { continue; }
        let in_row = (line / p.out_h * p.in_h + iy) * p.in_w + kx;
        for (var ox = first; ox < last; ox++) {
            let at_x = u32(in_row + ox * p.stride_x) * p.in_c4 + row;
            let at_y = u32(line * p.out_w + ox) * p.out_c4 + col;
            var d: array<vec4<f32>, COLS>;
            for (var q = 0u; q < COLS; q++) {
                // Blocks that reach past the last channel repeat it, unstored.
                d[q] = dy[at_y + min(q, p.out_c4 - 1u - col)];
            }
            for (var r = 0u; r < ROWS; r++) {
                let v = x[at_x + min(r, p.in_c4 - 1u - row)];
                for (var q = 0u; q < COLS; q++) {
                    acc[4u * r][q] = fma(vec4<f32>(v.x), d[q], acc[4u * r][q]);
                    acc[4u * r + 1u][q] = fma(vec4<f32>(v.y), d[q], acc[4u * r + 1u][q]);
                    acc[4u * r + 2u][q] = fma(vec4<f32>(v.z), d[q], acc[4u * r + 2u][q]);
                    acc[4u * r + 3u][q] = fma(vec4<f32>(v.w), d[q], acc[4u * r + 3u][q]);
                }
            }
        }
    }
    let rows = 4u * p.in_c4;
    for (var r = 0u; r < 4u * ROWS; r++) {
        if 4u * row + r >= rows { break; }
        let at = ((share * taps + tap) * rows + 4u * row + r) * p.out_c4 + col;
        for (var q = 0u; q < COLS; q++) {
            if col + q >= p.out_c4 { break; }
            partial[at + q] = acc[r][q];
        }
    }
}

// Gradient of a dense convolution by its weight, first stage, through workgroup memory: for GPUs. Partial sums over a
// share of the output pixels; the second stage, conv2d_weight_grad/sum, adds the shares in a fixed order.
//
// Tiling: a workgroup makes INPUTS input channels x OUTPUTS output channels of one tap and stages both sides of STEP
// pixels; an invocation holds ROWS vec4 of input channels x COLS vec4 of output channels.
// Traffic per step: STEP * (INPUTS + OUTPUTS) / 4 vec4 loads for STEP * INPUTS * OUTPUTS multiply-adds; an invocation
// reads ROWS + COLS vec4 of workgroup memory for 16 * ROWS * COLS of them.

import package::variant::{INPUTS, OUTPUTS, STEP, ROWS, COLS, THREADS};
import package::shared::correlation::Correlation;

@group(0) @binding(0) var<uniform> p: Correlation;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

// Blocks of four channels on both sides, and invocations along the output channels.
const HIGH = INPUTS / 4u;
const WIDE = OUTPUTS / 4u;
const ACROSS = WIDE / COLS;
const DOWN = HIGH / ROWS;

var<workgroup> inputs: array<vec4<f32>, STEP * HIGH>;
var<workgroup> outputs: array<vec4<f32>, STEP * WIDE>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let col_tiles = (p.out_c4 + WIDE - 1u) / WIDE;
    let row_tiles = (p.in_c4 + HIGH - 1u) / HIGH;
    var rest = group.x + group.y * groups.x;
    let col = rest % col_tiles * WIDE;
    rest /= col_tiles;
    let row = rest % row_tiles * HIGH;
    rest /= row_tiles;
    let taps = u32(p.kernel_h * p.kernel_w);
    let tap = rest % taps;
    let share = rest / taps;
    if share >= p.shares { return; }
    let ky = i32(tap) / p.kernel_w * p.dilation_y - p.pad_y;
    let kx = i32(tap) % p.kernel_w * p.dilation_x - p.pad_x;
    let across = local % ACROSS;
    let down = local / ACROSS;
    let pixels = u32(p.batch * p.out_h * p.out_w);
    // Shares are runs of whole steps.
    let steps = (pixels + STEP - 1u) / STEP;
    let run = (steps + p.shares - 1u) / p.shares * STEP;
    let end = min((share + 1u) * run, pixels);
    var acc: array<array<vec4<f32>, COLS>, ROWS * 4>;
    for (var first = share * run; first < end; first += STEP) {
        for (var i = local; i < STEP * WIDE; i += THREADS) {
            let pixel = first + i / WIDE;
            let c4 = col + i % WIDE;
            outputs[i] = vec4<f32>(0.0);
            if pixel < end && c4 < p.out_c4 { outputs[i] = dy[pixel * p.out_c4 + c4]; }
        }
        for (var i = local; i < STEP * HIGH; i += THREADS) {
            let pixel = first + i / HIGH;
            let c4 = row + i % HIGH;
            let line = i32(pixel) / p.out_w;
            let ix = (i32(pixel) - line * p.out_w) * p.stride_x + kx;
            let n = line / p.out_h;
            let iy = (line - n * p.out_h) * p.stride_y + ky;
            inputs[i] = vec4<f32>(0.0);
            if pixel < end && c4 < p.in_c4 && ix >= 0 && ix < p.in_w && iy >= 0 && iy < p.in_h {
                inputs[i] = x[u32((n * p.in_h + iy) * p.in_w + ix) * p.in_c4 + c4];
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < STEP; k++) {
            var d: array<vec4<f32>, COLS>;
            for (var q = 0u; q < COLS; q++) { d[q] = outputs[k * WIDE + across + q * ACROSS]; }
            for (var r = 0u; r < ROWS; r++) {
                let v = inputs[k * HIGH + down + r * DOWN];
                for (var q = 0u; q < COLS; q++) {
                    acc[4u * r][q] = fma(vec4<f32>(v.x), d[q], acc[4u * r][q]);
                    acc[4u * r + 1u][q] = fma(vec4<f32>(v.y), d[q], acc[4u * r + 1u][q]);
                    acc[4u * r + 2u][q] = fma(vec4<f32>(v.z), d[q], acc[4u * r + 2u][q]);
                    acc[4u * r + 3u][q] = fma(vec4<f32>(v.w), d[q], acc[4u * r + 3u][q]);
                }
            }
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < ROWS; r++) {
        let block = row + down + r * DOWN;
        if block >= p.in_c4 { break; }
        for (var q = 0u; q < COLS; q++) {
            let c4 = col + across + q * ACROSS;
            if c4 >= p.out_c4 { break; }
            for (var lane = 0u; lane < 4u; lane++) {
                let at = (share * taps + tap) * 4u * p.in_c4 + 4u * block + lane;
                partial[at * p.out_c4 + c4] = acc[4u * r + lane][q];
            }
        }
    }
}

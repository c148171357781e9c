// Dense convolution, and (`adjoint`) its transpose, as an implicit matrix product through workgroup memory: for
// GPUs. `batched`: every picture has a weight of its own.
//
// Tiling: a workgroup makes PIXELS pixels x CHANNELS output channels and stages, tap by tap, STEP vec4 of their
// input channels with the weights that belong to them; an invocation holds ROWS pixels x COLS vec4 of channels.
// Pixels of a tile share a phase of the transposed convolution's stride, so only taps that hit are visited.
// Traffic per step: PIXELS * STEP + CHANNELS * STEP vec4 loads for 16 * PIXELS * CHANNELS * STEP / 4 multiply-adds;
// an invocation reads ROWS + 4 * COLS vec4 of workgroup memory for 16 * ROWS * COLS of them.

import package::variant::{PIXELS, CHANNELS, STEP, ROWS, COLS, THREADS};
import package::variant::{KERNEL_H, KERNEL_W, UP_Y, UP_X};
import package::shared::pixels::{g, grid, input, origin, pixel, tap_shift};
import package::shared::epilogue::{epilogue, finish};

@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

// Blocks of four channels, and invocations along channels and along pixels.
const BLOCKS = CHANNELS / 4u;
const ACROSS = BLOCKS / COLS;
const DOWN = PIXELS / ROWS;
const LOADS = PIXELS * STEP / THREADS;

var<workgroup> seen: array<vec4<f32>, PIXELS * STEP>;
var<workgroup> weights: array<vec4<f32>, 4 * STEP * BLOCKS>;

fn stage_weights(local: u32, tap: u32, part: u32, col: u32, c0: u32, out_c4: u32) {
    let total = g.in_c4 + g.in2_c4;
    @if(!adjoint) {
        var first = tap * g.rows;
        @if(batched) { first += part * g.rows; }
        for (var i = local; i < 4u * STEP * BLOCKS; i += THREADS) {
            let row = 4u * c0 + i / BLOCKS;
            let c4 = col + i % BLOCKS;
            weights[i] = vec4<f32>(0.0);
            if row < 4u * total && c4 < out_c4 { weights[i] = w[(first + row) * g.cols4 + c4]; }
        }
    }
    @if(adjoint) {
        // Rows of the weight are output channels: blocks of 4 x 4 are turned.
        let first = tap * g.rows + g.first_row;
        for (var i = local; i < STEP * BLOCKS; i += THREADS) {
            let k = i % STEP;
            let b = i / STEP;
            let at = (first + 4u * (col + b)) * g.cols4 + c0 + k;
            var m = mat4x4<f32>();
            if c0 + k < total && col + b < out_c4 {
                m = transpose(mat4x4<f32>(w[at], w[at + g.cols4], w[at + 2u * g.cols4], w[at + 3u * g.cols4]));
            }
            for (var r = 0u; r < 4u; r++) { weights[(4u * k + r) * BLOCKS + b] = m[r]; }
        }
    }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let out_c4 = (g.out_c + 3u) / 4u;
    let total = g.in_c4 + g.in2_c4;
    let cut = grid();
    let index = group.x + group.y * groups.x;
    let col_tiles = (out_c4 + BLOCKS - 1u) / BLOCKS;
    let col = index % col_tiles * BLOCKS;
    let tiles = (cut.count + PIXELS - 1u) / PIXELS;
    let first = index / col_tiles % tiles * PIXELS;
    // Phase, or picture where each has its own weight.
    let part = index / col_tiles / tiles;
    if part >= cut.parts { return; }
    let phase = vec2<u32>(part % UP_X, part / UP_X) * select(0u, 1u, UP_Y * UP_X > 1u);

    // What this invocation loads: always the same pixels.
    var places: array<vec3<i32>, LOADS>;
    for (var i = 0u; i < LOADS; i++) {
        places[i] = origin(first + (local + i * THREADS) / STEP, part, cut.w, cut.count);
    }
    let across = local % ACROSS;
    let down = local / ACROSS;
    var acc: array<array<vec4<f32>, COLS>, ROWS>;
    for (var tap = 0u; tap < KERNEL_H * KERNEL_W; tap++) {
        var shift = tap_shift(tap, phase);
        if shift.x % i32(UP_X) != 0 || shift.y % i32(UP_Y) != 0 { continue; }
        shift /= vec2<i32>(i32(UP_X), i32(UP_Y));
        for (var c0 = 0u; c0 < total; c0 += STEP) {
            for (var i = 0u; i < LOADS; i++) {
                let to = local + i * THREADS;
                seen[to] = input(places[i], shift, c0 + to % STEP);
            }
            stage_weights(local, tap, part, col, c0, out_c4);
            workgroupBarrier();
            for (var k = 0u; k < STEP; k++) {
                var v: array<vec4<f32>, ROWS>;
                for (var r = 0u; r < ROWS; r++) { v[r] = seen[(down + r * DOWN) * STEP + k]; }
                for (var q = 0u; q < COLS; q++) {
                    let at = 4u * k * BLOCKS + across + q * ACROSS;
                    let w0 = weights[at];
                    let w1 = weights[at + BLOCKS];
                    let w2 = weights[at + 2u * BLOCKS];
                    let w3 = weights[at + 3u * BLOCKS];
                    for (var r = 0u; r < ROWS; r++) {
                        acc[r][q] = fma(vec4<f32>(v[r].x), w0, fma(vec4<f32>(v[r].y), w1,
                            fma(vec4<f32>(v[r].z), w2, fma(vec4<f32>(v[r].w), w3, acc[r][q]))));
                    }
                }
            }
            workgroupBarrier();
        }
    }
    for (var q = 0u; q < COLS; q++) {
        let c4 = col + across + q * ACROSS;
        if c4 >= out_c4 { break; }
        let e = epilogue(c4, g.out_c);
        for (var r = 0u; r < ROWS; r++) {
            let number = first + down + r * DOWN;
            let at = pixel(number, part, cut.w);
            let oy = at.y * UP_Y + phase.y;
            let ox = at.x * UP_X + phase.x;
            if number >= cut.count || oy >= g.out_h || ox >= g.out_w { continue; }
            let to = ((at.n * g.out_h + oy) * g.out_w + ox) * out_c4 + c4;
            y[to] = finish(acc[r][q], to, g.slope, e);
        }
    }
}

// Dense convolution, and (`adjoint`) its transpose, on the matrix units of a GPU: f16 factors, f32 sums. For
// mixed precision, on devices with cooperative matrices of SIDE x SIDE.
//
// Tiling: as conv2d/tile, with TILE pixels x TILE channels a workgroup. Its four subgroups make a quarter each, as 2 x 2
// matrices; STEP vec4 of input channels are staged as f16. Sums leave the matrix units through workgroup memory, a
// matrix a subgroup at a time.
// Traffic per step: 2 * TILE * STEP vec4 loads for 4 * TILE * TILE * STEP multiply-adds.

import package::variant::{STEP, SUBGROUP, THREADS};
import package::variant::{KERNEL_H, KERNEL_W, UP_Y, UP_X};
import package::shared::matrix::{SIDE, Left, Right, Sum};
import package::shared::pixels::{g, grid, input, origin, pixel, tap_shift};
import package::shared::epilogue::{epilogue, finish};

enable f16;
enable wgpu_cooperative_matrix;

@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;

const TILE = 4u * SIDE;
const DEPTH = 4u * STEP;
const LOADS = TILE * STEP / THREADS;

// Rows of pixels and rows of input channels; a matrix of sums for each subgroup.
var<workgroup> seen: array<f16, TILE * DEPTH>;
var<workgroup> weights: array<f16, DEPTH * TILE>;
var<workgroup> sums: array<f32, 4 * SIDE * SIDE>;

fn stage_weights(local: u32, tap: u32, col: u32, c0: u32, out_c4: u32) {
    let total = g.in_c4 + g.in2_c4;
    @if(!adjoint) {
        let first = tap * g.rows;
        for (var i = local; i < DEPTH * TILE / 4u; i += THREADS) {
            let row = 4u * c0 + i / (TILE / 4u);
            let c4 = col + i % (TILE / 4u);
            var value = vec4<f32>(0.0);
            if row < 4u * total && c4 < out_c4 { value = w[(first + row) * g.cols4 + c4]; }
            for (var lane = 0u; lane < 4u; lane++) { weights[4u * i + lane] = f16(value[lane]); }
        }
    }
    @if(adjoint) {
        // Rows of the weight are output channels.
        let first = tap * g.rows + g.first_row + 4u * col;
        for (var i = local; i < TILE * STEP; i += THREADS) {
            let row = i / STEP;
            let k = i % STEP;
            var value = vec4<f32>(0.0);
            if c0 + k < total && 4u * col + row < 4u * out_c4 { value = w[(first + row) * g.cols4 + c0 + k]; }
            for (var lane = 0u; lane < 4u; lane++) { weights[(4u * k + lane) * TILE + row] = f16(value[lane]); }
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
    let col_tiles = (4u * out_c4 + TILE - 1u) / TILE;
    let col = index % col_tiles * (TILE / 4u);
    let tiles = (cut.count + TILE - 1u) / TILE;
    let first = index / col_tiles % tiles * TILE;
    let part = index / col_tiles / tiles;
    // Groups past the end make nothing; they may not leave, as all must reach the matrix units.
    let count = select(0u, cut.count, part < cut.parts);
    let phase = vec2<u32>(part % UP_X, part / UP_X);

    // What this invocation loads: always the same pixels.
    var places: array<vec3<i32>, LOADS>;
    for (var i = 0u; i < LOADS; i++) {
        places[i] = origin(first + (local + i * THREADS) / STEP, part, cut.w, count);
    }
    let subgroup = local / SUBGROUP;
    let high = subgroup / 2u * 2u * SIDE;
    let wide = subgroup % 2u * 2u * SIDE;
    var s00 = Sum();
    var s01 = Sum();
    var s10 = Sum();
    var s11 = Sum();
    for (var tap = 0u; tap < KERNEL_H * KERNEL_W; tap++) {
        var shift = tap_shift(tap, phase);
        if shift.x % i32(UP_X) != 0 || shift.y % i32(UP_Y) != 0 { continue; }
        shift /= vec2<i32>(i32(UP_X), i32(UP_Y));
        for (var c0 = 0u; c0 < total; c0 += STEP) {
            for (var i = 0u; i < LOADS; i++) {
                let to = local + i * THREADS;
                let value = input(places[i], shift, c0 + to % STEP);
                for (var lane = 0u; lane < 4u; lane++) { seen[4u * to + lane] = f16(value[lane]); }
            }
            stage_weights(local, tap, col, c0, out_c4);
            workgroupBarrier();
            for (var k = 0u; k < DEPTH; k += SIDE) {
                let a0 = coopLoadT<Left>(&seen[high * DEPTH + k], DEPTH);
                let a1 = coopLoadT<Left>(&seen[(high + SIDE) * DEPTH + k], DEPTH);
                let b0 = coopLoadT<Right>(&weights[k * TILE + wide], TILE);
                let b1 = coopLoadT<Right>(&weights[k * TILE + wide + SIDE], TILE);
                s00 = coopMultiplyAdd(a0, b0, s00);
                s01 = coopMultiplyAdd(a0, b1, s01);
                s10 = coopMultiplyAdd(a1, b0, s10);
                s11 = coopMultiplyAdd(a1, b1, s11);
            }
            workgroupBarrier();
        }
    }
    for (var quarter = 0u; quarter < 4u; quarter++) {
        let to = subgroup * SIDE * SIDE;
        switch quarter {
            case 0u: { coopStoreT(s00, &sums[to], SIDE); }
            case 1u: { coopStoreT(s01, &sums[to], SIDE); }
            case 2u: { coopStoreT(s10, &sums[to], SIDE); }
            default: { coopStoreT(s11, &sums[to], SIDE); }
        }
        workgroupBarrier();
        for (var i = local % SUBGROUP; i < SIDE * SIDE / 4u; i += SUBGROUP) {
            let row = i / (SIDE / 4u);
            let number = first + high + quarter / 2u * SIDE + row;
            let c4 = col + (wide + quarter % 2u * SIDE) / 4u + i % (SIDE / 4u);
            let at = pixel(number, part, cut.w);
            let oy = at.y * UP_Y + phase.y;
            let ox = at.x * UP_X + phase.x;
            if number < count && oy < g.out_h && ox < g.out_w && c4 < out_c4 {
                let made = to + 4u * i;
                let sum = vec4<f32>(sums[made], sums[made + 1u], sums[made + 2u], sums[made + 3u]);
                let place = ((at.n * g.out_h + oy) * g.out_w + ox) * out_c4 + c4;
                y[place] = finish(sum, place, g.slope, epilogue(c4, g.out_c));
            }
        }
        workgroupBarrier();
    }
}

// Gradient of a dense convolution by its weight, first stage, on the matrix units of a GPU: f16 factors, f32 sums. For
// mixed precision, on devices with cooperative matrices of SIDE x SIDE. The second stage is conv2d_weight_grad/sum.
//
// Tiling: as conv2d_weight_grad/tile, with TILE input x TILE output channels of one tap a workgroup. Its four
// subgroups make a quarter each, as 2 x 2 matrices; both sides of STEP pixels are staged as f16.
// Traffic per step: TILE * STEP / 2 vec4 loads for TILE * TILE * STEP multiply-adds.

import package::variant::{STEP, SUBGROUP, THREADS};
import package::shared::correlation::Correlation;
import package::shared::matrix::{SIDE, Left, Right, Sum};

enable f16;
enable wgpu_cooperative_matrix;

@group(0) @binding(0) var<uniform> p: Correlation;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

const TILE = 4u * SIDE;
const BLOCKS = TILE / 4u;

var<workgroup> inputs: array<f16, STEP * TILE>;
var<workgroup> outputs: array<f16, STEP * TILE>;
var<workgroup> sums: array<f32, 4 * SIDE * SIDE>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let col_tiles = (p.out_c4 + BLOCKS - 1u) / BLOCKS;
    let row_tiles = (p.in_c4 + BLOCKS - 1u) / BLOCKS;
    let index = group.x + group.y * groups.x;
    let col = index % col_tiles * BLOCKS;
    let row = index / col_tiles % row_tiles * BLOCKS;
    let taps = u32(p.kernel_h * p.kernel_w);
    let tap = index / col_tiles / row_tiles % taps;
    let share = index / col_tiles / row_tiles / taps;
    let ky = i32(tap) / p.kernel_w * p.dilation_y - p.pad_y;
    let kx = i32(tap) % p.kernel_w * p.dilation_x - p.pad_x;
    let pixels = u32(p.batch * p.out_h * p.out_w);
    // Shares are runs of whole steps. Groups past the end have none; they may not leave, as all must reach the
    // matrix units.
    let steps = (pixels + STEP - 1u) / STEP;
    let run = (steps + p.shares - 1u) / p.shares * STEP;
    let end = select(0u, min((share + 1u) * run, pixels), share < p.shares);
    let subgroup = local / SUBGROUP;
    let high = subgroup / 2u * 2u * SIDE;
    let wide = subgroup % 2u * 2u * SIDE;
    var s00 = Sum();
    var s01 = Sum();
    var s10 = Sum();
    var s11 = Sum();
    for (var first = share * run; first < end; first += STEP) {
        for (var i = local; i < STEP * BLOCKS; i += THREADS) {
            let pixel = first + i / BLOCKS;
            let block = i % BLOCKS;
            let line = i32(pixel) / p.out_w;
            let ix = (i32(pixel) - line * p.out_w) * p.stride_x + kx;
            let n = line / p.out_h;
            let iy = (line - n * p.out_h) * p.stride_y + ky;
            var seen = vec4<f32>(0.0);
            var d = vec4<f32>(0.0);
            if pixel < end && col + block < p.out_c4 { d = dy[pixel * p.out_c4 + col + block]; }
            if pixel < end && row + block < p.in_c4 && ix >= 0 && ix < p.in_w && iy >= 0 && iy < p.in_h {
                seen = x[u32((n * p.in_h + iy) * p.in_w + ix) * p.in_c4 + row + block];
            }
            for (var lane = 0u; lane < 4u; lane++) {
                outputs[4u * i + lane] = f16(d[lane]);
                inputs[4u * i + lane] = f16(seen[lane]);
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < STEP; k += SIDE) {
            // Read by columns: rows of the product are input channels.
            let a0 = coopLoad<Left>(&inputs[k * TILE + high], TILE);
            let a1 = coopLoad<Left>(&inputs[k * TILE + high + SIDE], TILE);
            let b0 = coopLoadT<Right>(&outputs[k * TILE + wide], TILE);
            let b1 = coopLoadT<Right>(&outputs[k * TILE + wide + SIDE], TILE);
            s00 = coopMultiplyAdd(a0, b0, s00);
            s01 = coopMultiplyAdd(a0, b1, s01);
            s10 = coopMultiplyAdd(a1, b0, s10);
            s11 = coopMultiplyAdd(a1, b1, s11);
        }
        workgroupBarrier();
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
            let r = 4u * row + high + quarter / 2u * SIDE + i / (SIDE / 4u);
            let c4 = col + (wide + quarter % 2u * SIDE) / 4u + i % (SIDE / 4u);
            if share < p.shares && r < 4u * p.in_c4 && c4 < p.out_c4 {
                let made = to + 4u * i;
                partial[((share * taps + tap) * 4u * p.in_c4 + r) * p.out_c4 + c4] =
                    vec4<f32>(sums[made], sums[made + 1u], sums[made + 2u], sums[made + 3u]);
            }
        }
        workgroupBarrier();
    }
}

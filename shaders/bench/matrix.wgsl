// Products of matrices on the matrix units alone: their rate.
//
// Tiling: a subgroup runs 4 independent chains of sums on factors that stay in registers; 4 subgroups a workgroup.
// Traffic: a matrix a subgroup, written so that nothing can be left out.

import package::variant::{SUBGROUP, THREADS};
import package::shared::matrix::{SIDE, Left, Right, Sum};

enable f16;
enable wgpu_cooperative_matrix;

struct Params { size: u32, rounds: u32, factor: f32, term: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

var<workgroup> factors: array<f16, SIDE * SIDE>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    for (var i = local; i < SIDE * SIDE; i += THREADS) { factors[i] = f16(p.factor + p.term * f32(i % 7u)); }
    workgroupBarrier();
    let a = coopLoadT<Left>(&factors[0], SIDE);
    let b = coopLoadT<Right>(&factors[0], SIDE);
    var s0 = Sum();
    var s1 = Sum();
    var s2 = Sum();
    var s3 = Sum();
    for (var round = 0u; round < p.rounds; round++) {
        s0 = coopMultiplyAdd(a, b, s0);
        s1 = coopMultiplyAdd(a, b, s1);
        s2 = coopMultiplyAdd(a, b, s2);
        s3 = coopMultiplyAdd(a, b, s3);
    }
    // There are four numbers an invocation; places are used again, as nobody reads them.
    let number = (group.x + group.y * groups.x) * (THREADS / SUBGROUP) + local / SUBGROUP;
    let to = number % (4u * p.size / (SIDE * SIDE)) * SIDE * SIDE;
    coopStoreT(s0 + s1 + s2 + s3, &y[to], SIDE);
}

// How far the unit of a map that is nearest to a sample, and its four neighbours, are from it: the sum of the squares.
//
// A workgroup a sample: its invocations compare every 64th unit, and then share the numbers of the five. Traffic: the
// map once a sample, from cache; the samples 1 + units / 64 times.

import package::shared::lattice::{NO_UNIT, nearest, neighbour};
import package::shared::tree::tree_sum;

struct Params { rows: u32, columns: u32, c4: u32, count: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> map: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> samples: array<vec4<f32>>;

fn squares(unit: u32, sample: u32, c: u32) -> vec4<f32> {
    let d = map[unit * p.c4 + c] - samples[sample * p.c4 + c];
    return d * d;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let sample = group.x + group.y * groups.x;
    if sample >= p.count { return; }
    let units = p.rows * p.columns;
    var least = 3.4e38;
    var best = min(lane, units - 1u);
    for (var unit = lane; unit < units; unit += 64u) {
        var sum = vec4<f32>(0.0);
        for (var c = 0u; c < p.c4; c++) {
            sum += squares(unit, sample, c);
        }
        let distance = (sum.x + sum.y) + (sum.z + sum.w);
        if distance < least {
            least = distance;
            best = unit;
        }
    }
    let unit = nearest(least, best, lane);
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < 5u * p.c4; i += 64u) {
        let other = neighbour(unit, i / p.c4, p.rows, p.columns);
        if other != NO_UNIT { sum += squares(other, sample, i % p.c4); }
    }
    let all = tree_sum(sum, lane);
    if lane == 0u { partial[sample] = vec4<f32>((all.x + all.y) + (all.z + all.w), 0.0, 0.0, 0.0); }
}

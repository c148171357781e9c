// A self-organising map learns from `count` samples, one after the other: the unit nearest to a sample and its four
// neighbours move towards it.
//
// One workgroup, as each sample finds the map as the one before left it: its invocations compare every 64th unit, and
// then share the numbers of the five units that move. The host cuts long lists of samples into several dispatches.
// Traffic: the map once a sample, from cache; the samples 1 + units / 64 times.

import package::shared::lattice::{NO_UNIT, nearest, neighbour};

struct Params { rows: u32, columns: u32, c4: u32, first: u32, count: u32, rate: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> map: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> samples: array<vec4<f32>>;

fn distance_to(unit: u32, sample: u32) -> f32 {
    var sum = vec4<f32>(0.0);
    for (var c = 0u; c < p.c4; c++) {
        let d = map[unit * p.c4 + c] - samples[sample * p.c4 + c];
        sum = fma(d, d, sum);
    }
    return (sum.x + sum.y) + (sum.z + sum.w);
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    let units = p.rows * p.columns;
    for (var s = p.first; s < p.first + p.count; s++) {
        // What is infinitely far from all is nearest to the first.
        var least = 3.4e38;
        var best = min(lane, units - 1u);
        for (var unit = lane; unit < units; unit += 64u) {
            let distance = distance_to(unit, s);
            if distance < least {
                least = distance;
                best = unit;
            }
        }
        let unit = nearest(least, best, lane);
        for (var i = lane; i < 5u * p.c4; i += 64u) {
            let other = neighbour(unit, i / p.c4, p.rows, p.columns);
            if other != NO_UNIT {
                let c = i % p.c4;
                // A mean, not a step, so that at a rate of 1 the units are the sample and no rounding parts them.
                let kept = (1.0 - p.rate) * map[other * p.c4 + c];
                map[other * p.c4 + c] = fma(vec4<f32>(p.rate), samples[s * p.c4 + c], kept);
            }
        }
        storageBarrier();
    }
}

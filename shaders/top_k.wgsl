// The places of the k highest scores of each picture, and the rank of every place among them.
//
// One invocation a score, which counts the scores of its picture that come before it: all ranks differ, so every place of the
// result is written once. Traffic: the scores of a picture once a score of it, from cache; they are few.

import package::shared::grid::invocation;

struct Params { size: u32, places: u32, k: u32, at_least: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> chosen: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> ranks: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> scores: array<vec4<f32>>;

// An order of all numbers, and of what is none, by their bits.
fn order(score: f32) -> u32 {
    let bits = bitcast<u32>(score);
    if (bits & 0x7fffffffu) > 0x7f800000u { return 0xffffffffu; }
    return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let picture = i / p.places;
    let first = picture * p.places;
    let own = order(scores[i].x);
    var rank = 0u;
    for (var j = first; j < first + p.places; j++) {
        let other = order(scores[j].x);
        let earlier = other == own && j < i;
        rank += select(0u, 1u, other > own || earlier);
    }
    var counts = rank < p.k;
    @if(limited) { counts = counts && own >= order(p.at_least); }
    ranks[i] = vec4<f32>(select(-1.0, f32(rank), counts), 0.0, 0.0, 0.0);
    if rank < p.k {
        chosen[picture * p.k + rank] = vec4<f32>(select(-1.0, f32(i - first), counts), 0.0, 0.0, 0.0);
    }
}

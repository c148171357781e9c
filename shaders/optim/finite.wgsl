// Whether all gradients are finite, first stage: how many numbers of each share of one arena are not.
//
// A workgroup walks every `shares`-th block of 64 vec4. It looks at bits, as shaders may take every float to
// be finite. Traffic: gradients read once.

import package::shared::tree::tree_sum;

struct Params { size: u32, shares: u32, first: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradient: array<vec4<u32>>;

// All ones in NaN and infinity alone.
const EXPONENT = vec4<u32>(0x7f800000u);

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let share = group.x + group.y * groups.x;
    if share >= p.shares { return; }
    var found = vec4<f32>(0.0);
    for (var i = share * 64u + lane; i < p.size; i += p.shares * 64u) {
        found += select(vec4<f32>(0.0), vec4<f32>(1.0), (gradient[i] & EXPONENT) == EXPONENT);
    }
    let all = tree_sum(found, lane);
    if lane == 0u { partial[p.first + share] = all; }
}

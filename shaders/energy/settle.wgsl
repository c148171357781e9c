// The state after a step where a picture moves, else the one before, and which pictures move on: those whose energy
// changed by more than a share of it.
//
// One invocation a vec4; the first of them judge a picture each. Infinite energies and those that are no numbers are
// told by their bits, as shaders may take every float to be finite. Traffic: each state once at most, the result once.

import package::shared::grid::invocation;

struct Params { size: u32, picture: u32, pictures: u32, tolerance: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> state: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> on: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> before: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> after: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> energy_before: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read> energy_after: array<vec4<u32>>;
@group(0) @binding(7) var<storage, read> moving: array<vec4<f32>>;

// All ones in NaN and infinity alone.
const EXPONENT = 0x7f800000u;

fn moves_on(n: u32) -> bool {
    let old = energy_before[n].x;
    let new_bits = energy_after[n].x;
    if (old & EXPONENT) == EXPONENT || (new_bits & EXPONENT) == EXPONENT { return false; }
    let e = bitcast<f32>(old);
    return abs(bitcast<f32>(new_bits) - e) > p.tolerance * max(abs(e), 1e-12);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i < p.pictures {
        let flag = moving[i].x != 0.0 && moves_on(i);
        on[i] = vec4<f32>(select(0.0, 1.0, flag), 0.0, 0.0, 0.0);
    }
    if i >= p.size { return; }
    if moving[i / p.picture].x != 0.0 { state[i] = after[i]; } else { state[i] = before[i]; }
}

// Energies by picture and step from the partial sums that the workgroups of each step left.
//
// One workgroup a picture and four steps. Traffic: every partial sum once.

import package::shared::tree::tree_sum;

// `groups`: workgroups of a picture in a step. `pictures`, `steps`: how many of each.
struct Params { groups: u32, pictures: u32, steps: u32, c4: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> energies: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = group.x + group.y * groups.x;
    let picture = block / p.c4;
    let first = block % p.c4 * 4u;
    let inside = picture < p.pictures;
    var found = vec4<f32>(0.0);
    for (var k = 0u; k < 4u; k++) {
        var sum = vec4<f32>(0.0);
        if inside && first + k < p.steps {
            let row = ((first + k) * p.pictures + picture) * p.groups;
            for (var g = lane; g < p.groups; g += 64u) { sum += partial[row + g]; }
        }
        sum = tree_sum(sum, lane);
        found[k] = sum.x;
    }
    if inside && lane == 0u { energies[block] = found; }
}

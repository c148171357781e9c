// How many pixels of each class of the truth are predicted as each class, picture by picture.
//
// A workgroup a picture; its invocations walk the pixels 64 apart and count in workgroup memory. Traffic: probabilities
// and truth once.

import package::variant::CELLS;

struct Params {
    pictures: u32, pixels: u32, c4: u32, channels: u32, classes: u32, k4: u32, threshold: f32
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> counts: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> chances: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> truth: array<vec4<f32>>;

var<workgroup> cells: array<atomic<u32>, CELLS>;

@if(binary)
fn class_of(pixel: u32) -> u32 {
    return select(0u, 1u, chances[pixel * p.c4].x >= p.threshold);
}

@if(!binary)
fn class_of(pixel: u32) -> u32 {
    var best = 0u;
    var most = chances[pixel * p.c4].x;
    for (var c = 1u; c < p.channels; c++) {
        let chance = chances[pixel * p.c4 + c / 4u][c % 4u];
        if chance > most {
            most = chance;
            best = c;
        }
    }
    return best;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let picture = group.x + group.y * groups.x;
    if picture >= p.pictures { return; }
    // Workgroup memory is not cleared for kernels that are trusted.
    for (var i = lane; i < CELLS; i += 64u) {
        atomicStore(&cells[i], 0u);
    }
    workgroupBarrier();
    let width = p.k4 * 4u;
    for (var pixel = picture * p.pixels + lane; pixel < (picture + 1u) * p.pixels; pixel += 64u) {
        let wanted = u32(truth[pixel].x);
        if wanted < p.classes {
            atomicAdd(&cells[wanted * width + class_of(pixel)], 1u);
        }
    }
    workgroupBarrier();
    let rows = p.classes * p.k4;
    for (var i = lane; i < rows; i += 64u) {
        let at = 4u * i;
        counts[picture * rows + i] = vec4<f32>(vec4<u32>(
            atomicLoad(&cells[at]), atomicLoad(&cells[at + 1u]), atomicLoad(&cells[at + 2u]), atomicLoad(&cells[at + 3u]),
        ));
    }
}

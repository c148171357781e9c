// Winograd's minimal filtering, second step: overlapping tiles of SIDE x SIDE inputs, each turned into the left
// factors of SIDE * SIDE products. Done once for each source of a concatenation, side by side.
//
// Tiling: an invocation turns a tile of four channels in registers. Traffic: SIDE * SIDE vec4 loads (mostly from
// cache, tiles overlap) and as many stores for MADE * MADE pixels.

import package::shared::grid::invocation;
import package::shared::winograd::{SIDE, MADE, input_line};

// Tiles first..first + count of all pictures, `down` x `across` in each; channels in_c4 from first_c4 on of total_c4.
struct Params {
    first: u32, count: u32, down: u32, across: u32,
    in_h: i32, in_w: i32, pad_y: i32, pad_x: i32,
    in_c4: u32, first_c4: u32, total_c4: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    let local = i / p.in_c4;
    let c = i - local * p.in_c4;
    if local >= p.count { return; }
    let tile = p.first + local;
    let line = tile / p.across;
    let n = line / p.down;
    let top = i32((line - n * p.down) * MADE) - p.pad_y;
    let left = i32((tile - line * p.across) * MADE) - p.pad_x;
    var columns: array<array<vec4<f32>, SIDE>, SIDE>;
    for (var dx = 0; dx < SIDE; dx++) {
        let ix = left + dx;
        let within = ix >= 0 && ix < p.in_w;
        let at_x = u32(clamp(ix, 0, p.in_w - 1));
        var column: array<vec4<f32>, SIDE>;
        for (var dy = 0; dy < SIDE; dy++) {
            let iy = top + dy;
            let row = n * u32(p.in_h) + u32(clamp(iy, 0, p.in_h - 1));
            let seen = x[(row * u32(p.in_w) + at_x) * p.in_c4 + c];
            column[dy] = select(vec4<f32>(0.0), seen, within && iy >= 0 && iy < p.in_h);
        }
        columns[dx] = input_line(column);
    }
    let pitch = p.count * p.total_c4;
    let to = local * p.total_c4 + p.first_c4 + c;
    for (var dy = 0u; dy < SIDE; dy++) {
        var row: array<vec4<f32>, SIDE>;
        for (var dx = 0u; dx < SIDE; dx++) { row[dx] = columns[dx][dy]; }
        row = input_line(row);
        for (var dx = 0u; dx < SIDE; dx++) { v[(dy * SIDE + dx) * pitch + to] = row[dx]; }
    }
}

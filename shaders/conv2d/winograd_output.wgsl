// Winograd's minimal filtering, last step (the third is SIDE * SIDE matrix products): turns the products of a tile
// into MADE x MADE outputs, with what follows the convolution applied while storing.
//
// Tiling: an invocation turns a tile of four channels in registers. Traffic: SIDE * SIDE vec4 loads, MADE * MADE
// stores.

import package::shared::grid::invocation;
import package::shared::winograd::{SIDE, MADE, output_line};
import package::shared::epilogue::{epilogue, finish};

// Tiles first..first + count of all pictures, `down` x `across` in each.
struct Params {
    first: u32, count: u32, down: u32, across: u32,
    out_h: u32, out_w: u32, out_c: u32, slope: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> m: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    let out_c4 = (p.out_c + 3u) / 4u;
    let local = i / out_c4;
    let c = i - local * out_c4;
    if local >= p.count { return; }
    let pitch = p.count * out_c4;
    var columns: array<array<vec4<f32>, MADE>, SIDE>;
    for (var dx = 0u; dx < SIDE; dx++) {
        var column: array<vec4<f32>, SIDE>;
        for (var dy = 0u; dy < SIDE; dy++) { column[dy] = m[(dy * SIDE + dx) * pitch + i]; }
        columns[dx] = output_line(column);
    }
    let e = epilogue(c, p.out_c);
    let tile = p.first + local;
    let line = tile / p.across;
    let n = line / p.down;
    let top = (line - n * p.down) * MADE;
    let left = (tile - line * p.across) * MADE;
    for (var dy = 0u; dy < MADE; dy++) {
        if top + dy >= p.out_h { break; }
        var row: array<vec4<f32>, SIDE>;
        for (var dx = 0u; dx < SIDE; dx++) { row[dx] = columns[dx][dy]; }
        let made = output_line(row);
        for (var dx = 0u; dx < MADE; dx++) {
            if left + dx >= p.out_w { break; }
            let to = ((n * p.out_h + top + dy) * p.out_w + left + dx) * out_c4 + c;
            y[to] = finish(made[dx], to, p.slope, e);
        }
    }
}

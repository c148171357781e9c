// A map seen FACTOR times as large, bilinear between the centres of its pixels, as ops/resize.rs makes it without
// `align_corners`; nothing so large is stored. A strip of FACTOR pixels of a row lies over one pixel of the map.

import package::variant::FACTOR;

@group(0) @binding(2) var<storage, read> map: array<vec4<f32>>;

// What a strip is made of: the map to its left, under it and to its right, between two rows.
struct Strip { left: vec4<f32>, own: vec4<f32>, right: vec4<f32> }

// How far pixel k of FACTOR lies past the middle of the map's pixel, in sides of that pixel.
fn past(k: u32) -> f32 {
    return (f32(k) + 0.5) / f32(FACTOR) - 0.5;
}

// The strip of row y over the map's `column`: block c of the c4 of channels, of picture n of h x w pixels.
@if(enlarged)
fn strip(n: u32, y: u32, column: u32, h: u32, w: u32, c: u32, c4: u32) -> Strip {
    let row = y / FACTOR;
    let down = past(y - row * FACTOR);
    let other = select(max(row, 1u) - 1u, min(row + 1u, h - 1u), down > 0.0);
    let columns = vec3<u32>(max(column, 1u) - 1u, column, min(column + 1u, w - 1u));
    let near = ((n * h + row) * w + columns) * c4 + c;
    let far = ((n * h + other) * w + columns) * c4 + c;
    let share = abs(down);
    return Strip(
        mix(map[near.x], map[far.x], share), mix(map[near.y], map[far.y], share), mix(map[near.z], map[far.z], share),
    );
}

@if(!enlarged)
fn strip(n: u32, y: u32, column: u32, h: u32, w: u32, c: u32, c4: u32) -> Strip {
    let own = map[((n * h + y) * w + column) * c4 + c];
    return Strip(own, own, own);
}

// Pixel k of a strip.
fn pixel(s: Strip, k: u32) -> vec4<f32> {
    let across = past(k);
    return mix(s.own, select(s.left, s.right, across > 0.0), abs(across));
}

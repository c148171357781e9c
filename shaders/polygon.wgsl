// Polygons and circles, filled: pictures of 1 on 0, and masks of class numbers.
//
// One invocation a pixel, which walks the corners of its picture's figure. A pixel is inside where its middle is. Middles
// lie half way between the whole numbers that corners are, so all arithmetic is of whole numbers, doubled, and every
// device gets the same pixels. Traffic: both outputs once; the corners come from cache.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { size: u32, h: u32, w: u32, rows: u32, channels: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> picture: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> mask: array<vec4<f32>>;
// Of each picture: corners and class, then the corners, or middle and radius.
@group(0) @binding(3) var<storage, read> figures: array<vec4<f32>>;

fn pair(row: u32) -> vec2<i32> {
    return vec2<i32>(figures[row].xy);
}

fn in_circle(first: u32, at: vec2<i32>) -> bool {
    let away = at - 2 * pair(first);
    let across = 2 * pair(first + 1u).x;
    return away.x * away.x + away.y * away.y <= across * across;
}

// Whether a line to the right meets the border an odd number of times.
fn in_polygon(first: u32, corners: u32, at: vec2<i32>) -> bool {
    var inside = false;
    var a = pair(first + corners - 1u);
    for (var i = 0u; i < corners; i++) {
        let b = pair(first + i);
        let edge = b - a;
        let from_a = at - 2 * a;
        let side = from_a.x * edge.y - from_a.y * edge.x;
        // The ends lie on both sides of the line, and it meets the edge to the right.
        let between = (2 * a.y > at.y) != (2 * b.y > at.y);
        let right_of_it = side > 0;
        let left_of_it = side < 0;
        let falls = edge.y > 0;
        if between && select(right_of_it, left_of_it, falls) { inside = !inside; }
        a = b;
    }
    return inside;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let pixel = invocation(gid, groups);
    if pixel >= p.size { return; }
    let line = pixel / p.w;
    let at = 2 * vec2<i32>(i32(pixel % p.w), i32(line % p.h)) + 1;
    let head = line / p.h * p.rows;
    let figure = pair(head);
    var inside: bool;
    if figure.x <= 0 {
        inside = in_circle(head + 1u, at);
    } else {
        inside = in_polygon(head + 1u, min(u32(figure.x), p.rows - 1u), at);
    }
    let value = select(0.0, 1.0, inside);
    picture[pixel] = clear_padding(vec4<f32>(value), 0u, p.channels);
    mask[pixel] = vec4<f32>(value * f32(figure.y), 0.0, 0.0, 0.0);
}

// A picture and its target seen through a map of the plane of each picture's own, in one gather: the picture
// bilinear, with its contrast, brightness and noise changed, the target nearest; the plane beyond the border is
// mirrored.
//
// One invocation a pixel. Traffic: both written once, the picture read four times, mostly from cache.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::random::{key_of, random_words};

struct Params { size: u32, h: i32, w: i32, c4: u32, channels: u32, k4: u32, salt: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> made: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> made_target: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> picture: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> truth: array<vec4<f32>>;
// Of each picture: three rows of a matrix; gain, offset, deviation of the noise, pixels of the bend.
@group(0) @binding(5) var<storage, read> moves: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> words: array<vec4<u32>>;
@if(bent) @group(0) @binding(7) var<storage, read> bend: array<vec4<f32>>;

// The place inside that a place beyond the border mirrors.
fn mirrored(i: i32, size: i32) -> i32 {
    let period = 2 * size;
    let m = ((i % period) + period) % period;
    return select(m, period - 1 - m, m >= size);
}

// Four numbers of a normal distribution, from eight random words (Box and Muller).
fn normal(a: vec4<u32>, b: vec4<u32>) -> vec4<f32> {
    let near = (vec4<f32>(a >> vec4<u32>(8u)) + 0.5) * (1.0 / 16777216.0);
    let turn = vec4<f32>(b >> vec4<u32>(8u)) * (6.2831853 / 16777216.0);
    return sqrt(-2.0 * log(near)) * cos(turn);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let pixel = invocation(gid, groups);
    if pixel >= p.size { return; }
    let x = i32(pixel) % p.w;
    let line = i32(pixel) / p.w;
    let y = line % p.h;
    let n = line / p.h;
    let move_at = u32(n) * 4u;
    let change = moves[move_at + 3u];
    let middle = 0.5 * vec2<f32>(f32(p.w - 1), f32(p.h - 1));
    var at = vec3<f32>(vec2<f32>(f32(x), f32(y)) - middle, 1.0);
    @if(bent) { at += vec3<f32>(change.w * bend[pixel].xy, 0.0); }
    let shrink = 1.0 / dot(moves[move_at + 2u].xyz, at);
    let source = vec2<f32>(dot(moves[move_at].xyz, at), dot(moves[move_at + 1u].xyz, at)) * shrink + middle;
    let first = vec2<i32>(floor(source));
    let part = source - floor(source);
    let left = mirrored(first.x, p.w);
    let right = mirrored(first.x + 1, p.w);
    let upper = (n * p.h + mirrored(first.y, p.h)) * p.w;
    let lower = (n * p.h + mirrored(first.y + 1, p.h)) * p.w;
    let key = key_of(words[0], p.salt);
    for (var c = 0u; c < p.c4; c++) {
        let above = mix(picture[u32(upper + left) * p.c4 + c], picture[u32(upper + right) * p.c4 + c], part.x);
        let below = mix(picture[u32(lower + left) * p.c4 + c], picture[u32(lower + right) * p.c4 + c], part.x);
        var value = mix(above, below, part.y) * change.x + change.y;
        let i = 2u * (pixel * p.c4 + c);
        value += change.z * normal(random_words(key, i), random_words(key, i + 1u));
        made[pixel * p.c4 + c] = clear_padding(value, c, p.channels);
    }
    let nearest = vec2<i32>(floor(source + 0.5));
    let from_pixel = (n * p.h + mirrored(nearest.y, p.h)) * p.w + mirrored(nearest.x, p.w);
    for (var k = 0u; k < p.k4; k++) { made_target[pixel * p.k4 + k] = truth[u32(from_pixel) * p.k4 + k]; }
}

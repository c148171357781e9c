// A picture in a texture of any size as input of a network: resampled, made gray or RGB, normalised.
//
// One invocation a pixel of the input, in tiles of 8 x 8. Traffic: each texel about four times, mostly from
// cache; the input written once.

import package::shared::lanes::clear_padding;
import package::shared::tent::{Reach, reach, weight};

struct Params {
    height: u32, width: u32, channels: u32,
    mean_r: f32, mean_g: f32, mean_b: f32,
    scale_r: f32, scale_g: f32, scale_b: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(2) var picture: texture_2d<f32>;

const LUMA = vec3<f32>(0.299, 0.587, 0.114);

// From linear light to sRGB.
fn encode(v: vec3<f32>) -> vec3<f32> {
    let light = clamp(v, vec3<f32>(0.0), vec3<f32>(1.0));
    let curve = 1.055 * pow(light, vec3<f32>(1.0 / 2.4)) - 0.055;
    return select(curve, 12.92 * light, light <= vec3<f32>(0.0031308));
}

fn seen(ix: i32, iy: i32) -> vec3<f32> {
    var v = textureLoad(picture, vec2<i32>(ix, iy), 0).rgb;
    // Formats without colour read as red.
    @if(gray) { v = v.rrr; }
    @if(linear) { v = encode(v); }
    @if(luma && !gray) { v = vec3<f32>(dot(v, LUMA)); }
    return v;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    if gid.x >= p.width || gid.y >= p.height { return; }
    let size = textureDimensions(picture);
    let col = reach(gid.x, p.width, size.x);
    let row = reach(gid.y, p.height, size.y);
    var sum = vec3<f32>(0.0);
    var total = 0.0;
    for (var iy = row.first; iy <= row.last; iy++) {
        for (var ix = col.first; ix <= col.last; ix++) {
            let w = weight(row, iy) * weight(col, ix);
            sum = fma(vec3<f32>(w), seen(ix, iy), sum);
            total += w;
        }
    }
    let mean = vec3<f32>(p.mean_r, p.mean_g, p.mean_b);
    let scale = vec3<f32>(p.scale_r, p.scale_g, p.scale_b);
    let v = (sum / total - mean) * scale;
    x[gid.y * p.width + gid.x] = clear_padding(vec4<f32>(v, 0.0), 0u, p.channels);
}

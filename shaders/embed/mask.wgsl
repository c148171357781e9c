// Probabilities of a network as a mask in a texture of any size: red is the class, green a probability.
//
// One invocation a texel of the mask, in tiles of 8 x 8, which resamples class by class and keeps the best.
// Traffic: each probability about four times, mostly from cache; the mask written once.

import package::shared::tent::{Reach, reach, weight};

struct Params { height: u32, width: u32, c4: u32, channels: u32, threshold: f32, step: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(2) var mask: texture_storage_2d<rgba8unorm, write>;

// Probabilities of four classes.
fn resampled(row: Reach, col: Reach, c: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    var total = 0.0;
    for (var iy = row.first; iy <= row.last; iy++) {
        for (var ix = col.first; ix <= col.last; ix++) {
            let w = weight(row, iy) * weight(col, ix);
            sum = fma(vec4<f32>(w), y[(u32(iy) * p.width + u32(ix)) * p.c4 + c], sum);
            total += w;
        }
    }
    return sum / total;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) gid: vec3<u32>) {
    let size = textureDimensions(mask);
    if gid.x >= size.x || gid.y >= size.y { return; }
    let col = reach(gid.x, size.x, p.width);
    let row = reach(gid.y, size.y, p.height);
    var best = 0u;
    var probability = 0.0;
    @if(binary) {
        probability = resampled(row, col, 0u).x;
        best = u32(probability >= p.threshold);
    }
    @if(!binary) {
        for (var c = 0u; c < p.c4; c++) {
            var v = resampled(row, col, c);
            for (var lane = 0u; lane < 4u && 4u * c + lane < p.channels; lane++) {
                if v[lane] > probability {
                    probability = v[lane];
                    best = 4u * c + lane;
                }
            }
        }
    }
    textureStore(mask, vec2<i32>(gid.xy), vec4<f32>(f32(best) * p.step, probability, 0.0, 1.0));
}

// Softmax or log-softmax over the channels of each pixel, or the gradient told from the output.
//
// One invocation a pixel, which walks its channels two or three times. Traffic: x (or y and dy) read once
// from memory and then from cache, the result written once.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;

struct Params { pixels: u32, c4: u32, channels: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(backward) @group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

fn sum_of_lanes(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let pixel = invocation(gid, groups);
    if pixel >= p.pixels { return; }
    let first = pixel * p.c4;
    var sums = vec4<f32>(0.0);
    @if(backward) {
        // Padding lanes of dy hold zero.
        for (var c = 0u; c < p.c4; c++) {
            @if(log) { sums += dy[first + c]; }
            @if(!log) { sums = fma(dy[first + c], x[first + c], sums); }
        }
        let total = sum_of_lanes(sums);
        for (var c = 0u; c < p.c4; c++) {
            let seen = x[first + c];
            var v: vec4<f32>;
            @if(log) { v = dy[first + c] - exp(seen) * total; }
            @if(!log) { v = seen * (dy[first + c] - total); }
            result[first + c] = clear_padding(v, c, p.channels);
        }
    }
    @if(!backward) {
        // Padding takes the first channel's place in the maximum.
        var top = vec4<f32>(x[first].x);
        for (var c = 0u; c < p.c4; c++) {
            let lane = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c;
            top = max(top, select(top, x[first + c], lane < vec4<u32>(p.channels)));
        }
        let largest = max(max(top.x, top.y), max(top.z, top.w));
        for (var c = 0u; c < p.c4; c++) {
            sums += clear_padding(exp(min(x[first + c] - largest, vec4<f32>(0.0))), c, p.channels);
        }
        let total = sum_of_lanes(sums);
        for (var c = 0u; c < p.c4; c++) {
            let below = x[first + c] - largest;
            var v: vec4<f32>;
            @if(log) { v = below - log(total); }
            // Padding lanes may lie above the maximum; exp must not overflow in them.
            @if(!log) { v = exp(min(below, vec4<f32>(0.0))) / total; }
            result[first + c] = clear_padding(v, c, p.channels);
        }
    }
}

// Cross-entropy of a softmax, third stage: its gradient by the logits.
//
// One invocation a pixel. Traffic: logits (three times, from cache) and truth (twice) read, gradient written once.

import package::shared::grid::invocation;
import package::shared::probability::{Normaliser, inside, largest_of, gather_share, softmax_chance};

struct Params { pixels: u32, c4: u32, channels: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dlogits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> truth: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> scale: array<vec4<f32>>;
@if(weighted) @group(0) @binding(5) var<storage, read> weights: array<vec4<f32>>;

fn wanted(first: u32, c: u32) -> vec4<f32> {
    var g = select(vec4<f32>(0.0), truth[first + c], inside(c, p.channels));
    @if(weighted) { g *= weights[c]; }
    return g;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let pixel = invocation(gid, groups);
    if pixel >= p.pixels { return; }
    let first = pixel * p.c4;
    var n = Normaliser(logits[first].x, 0.0, 0.0);
    var whole = 0.0;
    for (var c = 0u; c < p.c4; c++) {
        n.largest = largest_of(logits[first + c], inside(c, p.channels), n.largest);
        whole += dot(wanted(first, c), vec4<f32>(1.0));
    }
    for (var c = 0u; c < p.c4; c++) {
        n = gather_share(n, logits[first + c], inside(c, p.channels));
    }
    for (var c = 0u; c < p.c4; c++) {
        let g = wanted(first, c);
        let chance = softmax_chance(n, logits[first + c], inside(c, p.channels));
        // p_k sum g - g_k, without a difference where p is nearly right.
        let slope = chance.yes * (whole - g) - g * chance.no;
        dlogits[first + c] = select(vec4<f32>(0.0), slope * scale[0].x, inside(c, p.channels));
    }
}

// Overlap losses, third stage: the gradient by the logits, from the derivatives by the probabilities.
//
// One invocation a vec4 for sigmoid, a pixel for softmax. Traffic: logits and truth read once (softmax:
// from cache again), gradient written once.

import package::shared::grid::invocation;
import package::shared::probability::{sigmoid_chance, Normaliser, inside, largest_of, gather_share, share};

struct Params { size: u32, pixels: u32, c4: u32, channels: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dlogits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> truth: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> slopes: array<vec4<f32>>;

// Derivative of the loss by the probabilities at vec4 `c` of a pixel; zero in padding lanes.
fn by_probability(group: u32, g: vec4<f32>, c: u32) -> vec4<f32> {
    let at = group * 2u * p.c4 + c;
    return g * slopes[at] + (1.0 - g) * slopes[at + p.c4];
}

@if(!softmax)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let chance = sigmoid_chance(logits[i]);
    let slope = by_probability(i / (p.c4 * p.pixels), truth[i], i % p.c4);
    dlogits[i] = chance.yes * chance.no * slope;
}

@if(softmax)
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let first = i * p.c4;
    let group = i / p.pixels;
    var n = Normaliser(logits[first].x, 0.0, 0.0);
    for (var c = 0u; c < p.c4; c++) {
        n.largest = largest_of(logits[first + c], inside(c, p.channels), n.largest);
    }
    // Slopes relative to that of the largest channel: its own share, which may be nearly all, then drops
    // out of the mean slope and takes no digits with it.
    var origin = 0.0;
    for (var c = 0u; c < p.c4; c++) {
        let v = logits[first + c];
        n = gather_share(n, v, inside(c, p.channels));
        let slope = by_probability(group, truth[first + c], c);
        let found = (v == vec4<f32>(n.largest)) & inside(c, p.channels);
        for (var k = 0u; k < 4u; k++) {
            if found[k] { origin = slope[k]; }
        }
    }
    let scale = 1.0 / (n.rest + n.ties);
    var mean = 0.0;
    for (var c = 0u; c < p.c4; c++) {
        let slope = by_probability(group, truth[first + c], c) - origin;
        mean += dot(share(logits[first + c], inside(c, p.channels), n.largest) * scale, slope);
    }
    for (var c = 0u; c < p.c4; c++) {
        let slope = by_probability(group, truth[first + c], c) - origin;
        let yes = share(logits[first + c], inside(c, p.channels), n.largest) * scale;
        dlogits[first + c] = select(vec4<f32>(0.0), yes * (slope - mean), inside(c, p.channels));
    }
}

// Overlap losses, first stage: soft true positives, false positives, false negatives and (`neither`) true
// negatives of each group of pixels (a picture, or the batch), class and share.
//
// A workgroup has one group, vec4 of classes and share, and walks every `shares`-th block of 64 pixels.
// Sums of terms that are not negative, so that none is told from a difference. Traffic: truth read
// once, logits once for sigmoid and once a vec4 of classes for softmax, mostly from cache.

import package::variant::SUMS;
import package::shared::probability::{sigmoid_chance, softmax_chance, Normaliser, inside, largest_of, gather_share};
import package::shared::tree::tree_sum;

struct Params { groups: u32, pixels: u32, c4: u32, channels: u32, shares: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> truth: array<vec4<f32>>;

@if(softmax)
fn normaliser(first: u32) -> Normaliser {
    var n = Normaliser(logits[first].x, 0.0, 0.0);
    for (var c = 0u; c < p.c4; c++) {
        n.largest = largest_of(logits[first + c], inside(c, p.channels), n.largest);
    }
    for (var c = 0u; c < p.c4; c++) {
        n = gather_share(n, logits[first + c], inside(c, p.channels));
    }
    return n;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = group.x + group.y * groups.x;
    if i >= p.groups * p.shares * p.c4 { return; }
    let c = i % p.c4;
    let first = i / (p.c4 * p.shares) * p.pixels;
    var hits = vec4<f32>(0.0);
    var extra = vec4<f32>(0.0);
    var missing = vec4<f32>(0.0);
    @if(neither) var neither = vec4<f32>(0.0);
    for (var pixel = i / p.c4 % p.shares * 64u + lane; pixel < p.pixels; pixel += p.shares * 64u) {
        let at = (first + pixel) * p.c4;
        let g = truth[at + c];
        @if(!softmax) let chance = sigmoid_chance(logits[at + c]);
        @if(softmax) let chance = softmax_chance(normaliser(at), logits[at + c], inside(c, p.channels));
        hits += chance.yes * g;
        extra += chance.yes * (1.0 - g);
        missing += chance.no * g;
        @if(neither) { neither += chance.no * (1.0 - g); }
    }
    hits = tree_sum(hits, lane);
    extra = tree_sum(extra, lane);
    missing = tree_sum(missing, lane);
    @if(neither) { neither = tree_sum(neither, lane); }
    if lane == 0u {
        let to = i / p.c4 * SUMS * p.c4 + c;
        partial[to] = hits;
        partial[to + p.c4] = extra;
        partial[to + 2u * p.c4] = missing;
        @if(neither) { partial[to + 3u * p.c4] = neither; }
    }
}

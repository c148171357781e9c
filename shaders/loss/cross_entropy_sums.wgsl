// Cross-entropy of a softmax over the channels, first stage: the sum over pixels of -w g log p, and that of the
// weights w g it is divided by.
//
// A workgroup walks every `shares`-th block of 64 pixels. Traffic: logits (twice, from cache) and truth read once.

import package::shared::logarithm::log_one_plus;
import package::shared::probability::{Normaliser, inside, largest_of, gather_share};
import package::shared::tree::tree_sum;

struct Params { pixels: u32, c4: u32, channels: u32, shares: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> truth: array<vec4<f32>>;
@if(weighted) @group(0) @binding(4) var<storage, read> weights: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let share_number = group.x + group.y * groups.x;
    if share_number >= p.shares { return; }
    var loss = 0.0;
    var weight = 0.0;
    for (var pixel = share_number * 64u + lane; pixel < p.pixels; pixel += p.shares * 64u) {
        let first = pixel * p.c4;
        var n = Normaliser(logits[first].x, 0.0, 0.0);
        for (var c = 0u; c < p.c4; c++) {
            n.largest = largest_of(logits[first + c], inside(c, p.channels), n.largest);
        }
        for (var c = 0u; c < p.c4; c++) {
            n = gather_share(n, logits[first + c], inside(c, p.channels));
        }
        let log_sum = log_one_plus(vec4<f32>(n.rest + (n.ties - 1.0))).x;
        for (var c = 0u; c < p.c4; c++) {
            var g = select(vec4<f32>(0.0), truth[first + c], inside(c, p.channels));
            @if(weighted) { g *= weights[c]; }
            loss += dot(g, n.largest - logits[first + c] + log_sum);
            weight += dot(g, vec4<f32>(1.0));
        }
    }
    let all = tree_sum(vec4<f32>(loss, weight, 0.0, 0.0), lane);
    if lane == 0u { partial[share_number] = all; }
}

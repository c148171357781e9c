// Binary cross-entropy of logits, weighted and focal as the variant has it: its gradient, and a partial sum a
// workgroup.
//
// A workgroup walks every `shares`-th block of 64 vec4. Traffic: logits and truth read once, gradient
// written once; the second stage, loss/total, is small.

import package::shared::lanes::clear_padding;
import package::shared::probability::{Chance, sigmoid_chance};
import package::shared::logarithm::log_one_plus;
import package::shared::tree::tree_sum;

struct Params {
    size: u32, c4: u32, channels: u32, shares: u32, scale: f32,
    positive: f32, negative: f32, gamma: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dlogits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> truth: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first = group.x + group.y * groups.x;
    if first >= p.shares { return; }
    let zero = vec4<f32>(0.0);
    var sum = zero;
    for (var i = first * 64u + lane; i < p.size; i += p.shares * 64u) {
        let v = logits[i];
        let chance = sigmoid_chance(v);
        let positive = p.positive * truth[i];
        let negative = p.negative * (1.0 - truth[i]);
        // -log p and -log(1 - p): of one of them the larger part is exact, and the rest is common to both.
        let rest = log_one_plus(exp(-abs(v)));
        let missed = max(-v, zero) + rest;
        let raised = max(v, zero) + rest;
        var loss: vec4<f32>;
        var slope: vec4<f32>;
        @if(focal) {
            // No chance is less than the least normal number, whose logarithm is finite.
            let least = vec4<f32>(1.2e-38);
            let hard_yes = positive * pow(max(chance.no, least), vec4<f32>(p.gamma));
            let hard_no = negative * pow(max(chance.yes, least), vec4<f32>(p.gamma));
            loss = hard_yes * missed + hard_no * raised;
            slope = hard_no * (p.gamma * chance.no * raised + chance.yes)
                - hard_yes * (p.gamma * chance.yes * missed + chance.no);
        }
        @if(!focal) {
            loss = positive * missed + negative * raised;
            slope = negative * chance.yes - positive * chance.no;
        }
        sum += clear_padding(loss, i % p.c4, p.channels);
        dlogits[i] = clear_padding(slope * p.scale, i % p.c4, p.channels);
    }
    let all = tree_sum(sum, lane);
    if lane == 0u { partial[first] = all; }
}

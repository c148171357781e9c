// Overlap losses, second stage: the loss, and for each group and class the derivative by a probability
// where the truth is 1 and where it is 0 (it is linear in between).
//
// One workgroup. 1 - T is the quotient (alpha FP + beta FN) / (TP + alpha FP + beta FN + s), without a
// difference, of the class and (`neither`) of all that is outside it; likewise each half of two-class Dice is 1/2 less
// (W - s) / 2(2R + W + s), with R the rightly judged and W the wrongly judged pixels. Traffic: small.

import package::variant::SUMS;
import package::shared::tree::tree_sum;

struct Params {
    groups: u32, c4: u32, channels: u32, shares: u32, first: u32,
    weight: f32, alpha: f32, beta: f32, smoothing: f32, gamma: f32, least: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> loss: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> slopes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> partial: array<vec4<f32>>;

struct Judged { value: vec4<f32>, by_hit: vec4<f32>, by_extra: vec4<f32> }

// Nothing there and nothing found, without smoothing: right, and no slope.
const NOTHING = vec4<f32>(1e-30);

// A class by its right pixels, smoothing and all, and its false positives and negatives.
@if(!two_class_dice)
fn tversky(hits: vec4<f32>, extra: vec4<f32>, missing: vec4<f32>) -> Judged {
    let wrong = p.alpha * extra + p.beta * missing;
    let whole = max(hits + wrong, NOTHING);
    let right = hits / whole;
    let value = wrong / whole;
    let judged = Judged(value, -(value + p.beta * right) / whole, p.alpha * right / whole);
    @if(focal) {
        let bounded = max(value, vec4<f32>(p.least));
        let power = pow(bounded, vec4<f32>(p.gamma));
        let slope = select(vec4<f32>(0.0), p.gamma * power / bounded, value > vec4<f32>(p.least));
        return Judged(power, slope * judged.by_hit, slope * judged.by_extra);
    }
    @if(!focal) { return judged; }
}

// Both halves of a class by its right pixels inside and outside, smoothing and all, and the wrong ones.
@if(two_class_dice)
fn two_class_dice(hits: vec4<f32>, neither: vec4<f32>, wrong: vec4<f32>) -> Judged {
    let yes = max(2.0 * hits + wrong - p.smoothing, NOTHING);
    let no = max(2.0 * neither + wrong - p.smoothing, NOTHING);
    return Judged(
        0.5 * (wrong - p.smoothing) * (1.0 / yes + 1.0 / no),
        -(hits - p.smoothing + wrong) / yes / yes - neither / no / no,
        hits / yes / yes + (neither - p.smoothing + wrong) / no / no,
    );
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    let zero = vec4<f32>(0.0);
    var total = zero;
    for (var item = 0u; item < p.groups * p.c4; item++) {
        let group = item / p.c4;
        let c = item % p.c4;
        var hits = zero;
        var extra = zero;
        var missing = zero;
        @if(neither) var neither = zero;
        for (var s = lane; s < p.shares; s += 64u) {
            let at = (group * p.shares + s) * SUMS * p.c4 + c;
            hits += partial[at];
            extra += partial[at + p.c4];
            missing += partial[at + 2u * p.c4];
            @if(neither) { neither += partial[at + 3u * p.c4]; }
        }
        hits = tree_sum(hits, lane) + p.smoothing;
        extra = tree_sum(extra, lane);
        missing = tree_sum(missing, lane);
        @if(neither) { neither = tree_sum(neither, lane) + p.smoothing; }
        @if(two_class_dice) let judged = two_class_dice(hits, neither, extra + missing);
        @if(!two_class_dice) var judged = tversky(hits, extra, missing);
        @if(neither && !two_class_dice) {
            // Of what is outside, p and g are one less what they are, and where g was 1 it is 0.
            let outside = tversky(neither, missing, extra);
            judged.value += outside.value;
            judged.by_hit -= outside.by_extra;
            judged.by_extra -= outside.by_hit;
        }
        let class_number = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c;
        let counts = (class_number >= vec4<u32>(p.first)) & (class_number < vec4<u32>(p.channels));
        let weight = select(zero, vec4<f32>(p.weight), counts);
        total += judged.value * weight;
        if lane == 0u {
            slopes[group * 2u * p.c4 + c] = weight * judged.by_hit;
            slopes[(group * 2u + 1u) * p.c4 + c] = weight * judged.by_extra;
        }
    }
    if lane == 0u { loss[0] = vec4<f32>(total.x + total.y + total.z + total.w, zero.xyz); }
}

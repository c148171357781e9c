// Generalised Dice, second stage: the loss, and for each group and class the derivative by a probability where the
// truth is 1 and where it is 0 (it is linear in between).
//
// One workgroup. The loss of a group is the quotient W / (2R + W + s) of its weighted wrong pixels W and right ones R,
// without a difference. Classes that are absent are summed apart: what they weigh is known once all have been seen.
// One sigmoid (`neither`) is two classes, and what is right outside counts as the other's. Traffic: small.

import package::variant::SUMS;
import package::shared::tree::tree_sum;

struct Params {
    groups: u32, c4: u32, channels: u32, shares: u32, first: u32, smoothing: f32, eps: f32, k: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> loss: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> slopes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> partial: array<vec4<f32>>;

const ZERO = vec4<f32>(0.0);

// What a class weighs that has so many pixels; zero where that is left open.
fn weight(pixels: vec4<f32>) -> vec4<f32> {
    @if(alike) { return vec4<f32>(1.0); }
    @if(inverse_square_eps) {
        let n = pixels + p.eps;
        return 1.0 / n / n;
    }
    @if(inverse_square) {
        // Not one pixel: 1e-30 is far below what any that is there counts, and its square is not asked for.
        let n = max(pixels, vec4<f32>(1e-15));
        return select(ZERO, 1.0 / n / n, pixels > vec4<f32>(1e-15));
    }
}

fn sum_of(v: vec4<f32>) -> f32 { return v.x + v.y + v.z + v.w; }

// Which classes of a vec4 count.
fn used(c: u32) -> vec4<bool> {
    let class_number = vec4<u32>(0u, 1u, 2u, 3u) + 4u * c;
    return (class_number >= vec4<u32>(p.first)) & (class_number < vec4<u32>(p.channels));
}

// Sums over the classes: right and wrong pixels by weight, those of absent classes, and the largest weight.
struct Sums { right: f32, wrong: f32, absent_right: f32, absent_wrong: f32, largest: f32 }

fn gather(s: Sums, hits: vec4<f32>, wrong: vec4<f32>, pixels: vec4<f32>, counts: vec4<bool>) -> Sums {
    let w = select(ZERO, weight(pixels), counts);
    let absent = counts & (w == ZERO);
    let m = max(max(w.x, w.y), max(w.z, w.w));
    return Sums(
        s.right + sum_of(w * hits),
        s.wrong + sum_of(w * wrong),
        s.absent_right + sum_of(select(ZERO, hits, absent)),
        s.absent_wrong + sum_of(select(ZERO, wrong, absent)),
        max(s.largest, m),
    );
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    let share = 1.0 / f32(p.groups);
    var total = 0.0;
    for (var group = 0u; group < p.groups; group++) {
        let to = group * 2u * p.c4;
        var s = Sums(0.0, 0.0, 0.0, 0.0, 0.0);
        for (var c = 0u; c < p.c4; c++) {
            var hits = ZERO;
            var extra = ZERO;
            var missing = ZERO;
            @if(neither) var neither = ZERO;
            for (var i = lane; i < p.shares; i += 64u) {
                let at = (group * p.shares + i) * SUMS * p.c4 + c;
                hits += partial[at];
                extra += partial[at + p.c4];
                missing += partial[at + 2u * p.c4];
                @if(neither) { neither += partial[at + 3u * p.c4]; }
            }
            hits = tree_sum(hits, lane);
            extra = tree_sum(extra, lane);
            missing = tree_sum(missing, lane);
            s = gather(s, hits, extra + missing, hits + missing, used(c));
            @if(neither) {
                neither = tree_sum(neither, lane);
                s = gather(s, neither, extra + missing, neither + extra, used(c));
            }
            // The pixels of each class, for the second look.
            if lane == 0u {
                slopes[to + c] = hits + missing;
                @if(neither) { slopes[to + p.c4 + c] = neither + extra; }
            }
        }
        let most = select(1.0, s.largest, s.largest > 0.0);
        let right = 2.0 * (s.right + most * s.absent_right) + p.smoothing;
        let wrong = s.wrong + most * s.absent_wrong;
        let whole = max(right + wrong, 1e-30);
        let score = right / whole;
        let dice = wrong / whole;
        @if(silva) let bent = 1.0 + p.k * dice;
        @if(silva) let value = (1.0 + p.k) * dice / bent;
        @if(!silva) let bent = 1.0 + p.k * score;
        @if(!silva) let value = dice / bent;
        total += share * value;
        let slope = share * (1.0 + p.k) / bent / bent / whole;
        // Lane 0 alone wrote what it reads here.
        for (var c = 0u; lane == 0u && c < p.c4; c++) {
            let own = weight(slopes[to + c]);
            let w = select(ZERO, select(own, vec4<f32>(most), own == ZERO), used(c));
            var by_hit = -slope * (1.0 + dice) * w;
            var by_extra = slope * score * w;
            @if(neither) {
                // Of what is outside, p and g are one less what they are, and where g was 1 it is 0.
                let outside = weight(slopes[to + p.c4 + c]);
                let v = select(ZERO, select(outside, vec4<f32>(most), outside == ZERO), used(c));
                by_hit -= slope * score * v;
                by_extra += slope * (1.0 + dice) * v;
            }
            slopes[to + c] = by_hit;
            slopes[to + p.c4 + c] = by_extra;
        }
    }
    if lane == 0u { loss[0] = vec4<f32>(total, ZERO.xyz); }
}

// Focal loss of a softmax over the channels: its gradient, and a partial sum a workgroup.
//
// A workgroup walks every `shares`-th block of 64 pixels. Traffic: logits and truth read once (four times,
// from cache), gradient written once; the second stage, loss/total, is small.

import package::shared::logarithm::log_one_plus;
import package::shared::probability::{Chance, Normaliser, inside, largest_of, gather_share, softmax_chance};
import package::shared::tree::tree_sum;

struct Params { pixels: u32, c4: u32, channels: u32, shares: u32, scale: f32, alpha: f32, gamma: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> dlogits: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> logits: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> truth: array<vec4<f32>>;

// Of four channels: what they cost, and p times the derivative of that by p.
struct Terms { chance: Chance, loss: vec4<f32>, slope: vec4<f32> }

fn terms(first: u32, c: u32, n: Normaliser, log_sum: f32) -> Terms {
    let used = inside(c, p.channels);
    let zero = vec4<f32>(0.0);
    let chance = softmax_chance(n, logits[first + c], used);
    // Least numbers that still have a logarithm and an inverse.
    let yes = max(chance.yes, vec4<f32>(1.2e-38));
    let no = max(chance.no, vec4<f32>(1e-30));
    let gamma = vec4<f32>(p.gamma);
    let missed = n.largest - logits[first + c] + log_sum;
    let hard = pow(no, gamma);
    @if(one_vs_all) let weight = vec4<f32>(p.alpha);
    @if(!one_vs_all) let weight = select(vec4<f32>(p.alpha), vec4<f32>(1.0 - p.alpha, vec3<f32>(p.alpha)), c == 0u);
    let wanted = weight * truth[first + c];
    var loss = wanted * hard * missed;
    var slope = -wanted * hard * (gamma * yes * (missed / no) + 1.0);
    @if(one_vs_all) {
        let unwanted = (1.0 - p.alpha) * (1.0 - truth[first + c]);
        // -log(1 - p); 1 - p has lost the digits of a small p.
        let small = yes * (1.0 + yes * (0.5 + yes * (1.0 / 3.0)));
        let raised = select(-log(no), small, yes < vec4<f32>(1e-2));
        let soft = pow(yes, gamma);
        loss += unwanted * soft * raised;
        slope += unwanted * soft * (gamma * raised + yes / no);
    }
    return Terms(chance, select(zero, loss, used), select(zero, slope, used));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let share_number = group.x + group.y * groups.x;
    if share_number >= p.shares { return; }
    let one = vec4<f32>(1.0);
    var loss = 0.0;
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
        // Slopes at the largest logit and below it: where that one's chance is nearly one its slope may be huge,
        // and must not take the digits of the others.
        var top = 0.0;
        var below = 0.0;
        for (var c = 0u; c < p.c4; c++) {
            let t = terms(first, c, n, log_sum);
            loss += dot(t.loss, one);
            let at_top = logits[first + c] == vec4<f32>(n.largest);
            top += dot(select(vec4<f32>(0.0), t.slope, at_top), one);
            below += dot(select(t.slope, vec4<f32>(0.0), at_top), one);
        }
        for (var c = 0u; c < p.c4; c++) {
            let t = terms(first, c, n, log_sum);
            let at_top = logits[first + c] == vec4<f32>(n.largest);
            let others = select(below - t.slope + top, below + (top - t.slope), at_top);
            let slope = t.slope * t.chance.no - t.chance.yes * others;
            dlogits[first + c] = select(vec4<f32>(0.0), slope * p.scale, inside(c, p.channels));
        }
    }
    let all = tree_sum(vec4<f32>(loss, 0.0, 0.0, 0.0), lane);
    if lane == 0u { partial[share_number] = all; }
}

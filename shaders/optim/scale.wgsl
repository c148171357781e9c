// Dynamic loss scaling, second stage: whether this step counts, its factors, and the scale of the next.
//
// A step with a gradient that is not finite is as if it had not been, but for the scale, which is halved;
// after `patience` good steps in a row it is doubled. What depends on the number of steps taken is counted
// here, as the host does not wait to see which are. One workgroup. Traffic: small.

import package::shared::tree::tree_sum;

// `take1` and `take2` are 1 - beta; `cooling` is the binary logarithm by which NAdam's momentum comes up a step.
struct Params {
    shares: u32, patience: f32, least: f32, most: f32, lr: f32,
    take1: f32, take2: f32, cooling: f32, dampened: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
// [0]: the scale; good steps in a row; one by the scale of this step, or 0 where it is skipped; steps skipped.
// [1]: steps taken; how much of the two moments has been filled, 1 - beta^steps; product of NAdam's momenta.
// [2]: what the update multiplies with: root, by_moment and by_gradient, and SGD's take.
@group(0) @binding(1) var<storage, read_write> state: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> partial: array<vec4<f32>>;

@if(nadam)
fn momentum(step: f32) -> f32 {
    return (1.0 - p.take1) * (1.0 - 0.5 * exp2(step * p.cooling));
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec4<f32>(0.0);
    for (var s = lane; s < p.shares; s += 64u) {
        sum += partial[s];
    }
    let found = tree_sum(sum, lane);
    if lane > 0u { return; }
    let now = state[0];
    if any(found > vec4<f32>(0.0)) {
        state[0] = vec4<f32>(max(0.5 * now.x, p.least), 0.0, 0.0, now.w + 1.0);
        return;
    }
    let grown = now.y + 1.0 >= p.patience;
    let scale = select(now.x, min(2.0 * now.x, p.most), grown);
    state[0] = vec4<f32>(scale, select(now.y + 1.0, 0.0, grown), 1.0 / now.x, now.w);

    let before = state[1];
    let step = before.x + 1.0;
    let filled = fma(vec2<f32>(p.take1, p.take2), 1.0 - before.yz, before.yz);
    var product = before.w;
    var by_moment = p.lr / filled.x;
    var by_gradient = 0.0;
    @if(nadam) {
        let mu = momentum(step);
        let next = momentum(step + 1.0);
        product *= mu;
        by_gradient = p.lr * (1.0 - mu) / (1.0 - product);
        by_moment = p.lr * next / (1.0 - product * next);
    }
    state[1] = vec4<f32>(step, filled, product);
    state[2] = vec4<f32>(1.0 / sqrt(filled.y), by_moment, by_gradient, select(p.dampened, 1.0, step == 1.0));
}

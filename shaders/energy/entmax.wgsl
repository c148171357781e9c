// Sparsemax, or entmax-1.5 where `square`, over the channels of each pixel, or the gradient told from the output.
//
// The threshold tau is where f(tau) = sum of max(z - tau, 0)^a falls to 1, z being the channels less the largest, of
// which the square takes halves; it lies in -1..0. f is convex and falls, so Newton's steps from below never pass
// tau; bisection goes beside them, so that every round at least halves what is left. Two more steps at the end undo
// what rounding did.
//
// One invocation a pixel, or one workgroup where there are many channels (`wide`), each of whose invocations walks
// every 64th vec4. Traffic: the result written once; x (or y and dy) read once from memory and then from cache, six
// to ten times in practice.

import package::shared::grid::invocation;
import package::shared::lanes::{clear_padding, present};
import package::shared::tree::{tree_max, tree_sum};

struct Params { pixels: u32, c4: u32, channels: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(backward) @group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

@if(wide) const STEP = 64u;
@if(!wide) const STEP = 1u;
// As many as f32 has bits between -1 and 0.
@if(!backward) const ROUNDS = 24u;

fn sum_of_lanes(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

// The sum over all that serve the pixel.
@if(wide)
fn gathered(v: vec4<f32>, lane: u32) -> vec4<f32> {
    return tree_sum(v, lane);
}

@if(!wide)
fn gathered(v: vec4<f32>, lane: u32) -> vec4<f32> {
    return v;
}

// How much each channel takes part in the gradient.
@if(backward && square)
fn weight(y: vec4<f32>) -> vec4<f32> {
    // The root of zero may be computed through an infinity.
    return select(vec4<f32>(0.0), sqrt(max(y, vec4<f32>(1e-37))), y > vec4<f32>(0.0));
}

@if(backward && !square)
fn weight(y: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), y > vec4<f32>(0.0));
}

// A vec4 of z; padding lies below all thresholds.
@if(!backward)
fn below(first: u32, c: u32, top: f32) -> vec4<f32> {
    var v = x[first + c] - top;
    @if(square) { v *= 0.5; }
    return select(vec4<f32>(-2.0), v, present(c, p.channels));
}

// f and its slope downwards at `low`, and f at `middle`.
@if(!backward)
fn sums(first: u32, top: f32, low: f32, middle: f32, lane: u32) -> vec3<f32> {
    var sum = vec3<f32>(0.0);
    for (var c = lane; c < p.c4; c += STEP) {
        let z = below(first, c, top);
        let u = max(z - low, vec4<f32>(0.0));
        let v = max(z - middle, vec4<f32>(0.0));
        @if(square) { sum += vec3<f32>(dot(u, u), 2.0 * sum_of_lanes(u), dot(v, v)); }
        @if(!square) {
            let over = select(vec4<f32>(0.0), vec4<f32>(1.0), z > vec4<f32>(low));
            sum += vec3<f32>(sum_of_lanes(u), sum_of_lanes(over), sum_of_lanes(v));
        }
    }
    return gathered(vec4<f32>(sum, 0.0), lane).xyz;
}

@if(!backward)
fn threshold(first: u32, top: f32, lane: u32) -> f32 {
    var low = -1.0;
    var high = 0.0;
    for (var i = 0u; i < ROUNDS; i++) {
        let middle = 0.5 * (low + high);
        let f = sums(first, top, low, middle, lane);
        let far = f.z > 1.0;
        let next = max(low + (f.x - 1.0) / f.y, select(low, middle, far));
        high = select(middle, high, far);
        // Control flow around the sums of a workgroup is the same for all of it.
        @if(!wide) {
            if next <= low { break; }
        }
        low = max(low, next);
    }
    for (var i = 0u; i < 2u; i++) {
        let f = sums(first, top, low, low, lane);
        low += (f.x - 1.0) / f.y;
    }
    return low;
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) gid: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    @if(wide) let pixel = group.x + group.y * groups.x;
    @if(wide) let lane = local;
    @if(!wide) let pixel = invocation(gid, groups);
    @if(!wide) let lane = 0u;
    if pixel >= p.pixels { return; }
    let first = pixel * p.c4;
    @if(backward) {
        var sum = vec2<f32>(0.0);
        for (var c = lane; c < p.c4; c += STEP) {
            let w = weight(x[first + c]);
            sum += vec2<f32>(dot(w, dy[first + c]), sum_of_lanes(w));
        }
        let all = gathered(vec4<f32>(sum, 0.0, 0.0), lane);
        // Probabilities that sum to 1 are not all zero; what else is given has no gradient.
        let mean = select(all.x / all.y, 0.0, all.y == 0.0);
        for (var c = lane; c < p.c4; c += STEP) {
            result[first + c] = clear_padding(weight(x[first + c]) * (dy[first + c] - mean), c, p.channels);
        }
    }
    @if(!backward) {
        // Padding takes the first channel's place in the maximum.
        var most = vec4<f32>(x[first].x);
        for (var c = lane; c < p.c4; c += STEP) {
            most = max(most, select(most, x[first + c], present(c, p.channels)));
        }
        @if(wide) { most = tree_max(most, lane); }
        let top = max(max(most.x, most.y), max(most.z, most.w));
        let tau = threshold(first, top, lane);
        for (var c = lane; c < p.c4; c += STEP) {
            var v = max(below(first, c, top) - tau, vec4<f32>(0.0));
            @if(square) { v *= v; }
            result[first + c] = v;
        }
    }
}

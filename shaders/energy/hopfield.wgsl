// Steps of a Hopfield network (eq 18): each patch moves towards the memories that it resembles, where anchored also back
// towards where it began; where traced, the energy before every step and after the last is told.
//
// One workgroup a patch, whose state and likenesses stay in workgroup memory through all steps. Traffic: patches in and out
// once, memories twice a step, mostly from cache; one number a patch and step.

import package::variant::{QUADS, MEMORIES};
import package::shared::tree::{tree_max, tree_sum};

// `rows`: patches. `row`: of the energies, the first of these steps.
struct Params { rows: u32, steps: u32, rate: f32, beta: f32, anchor: f32, row: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> next: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> memories: array<vec4<f32>>;
@if(anchored) @group(0) @binding(4) var<storage, read> start: array<vec4<f32>>;
@if(traced) @group(0) @binding(5) var<storage, read_write> energies: array<vec4<f32>>;

var<workgroup> state: array<vec4<f32>, QUADS>;
// Likenesses to the memories, then their weights.
var<workgroup> likeness: array<f32, MEMORIES>;

fn total(v: f32, lane: u32) -> f32 {
    return tree_sum(vec4<f32>(v, 0.0, 0.0, 0.0), lane).x;
}

@if(sparsemax) fn over(v: f32) -> f32 { return max(v, 0.0); }
@if(entmax15) fn over(v: f32) -> f32 { return max(v, 0.0) * max(v, 0.0); }

// Makes weights of the likenesses; returns the energy of the likenesses.
fn weigh(lane: u32) -> f32 {
    var sum = 0.0;
    @if(relu) {
        for (var m = lane; m < MEMORIES; m += 64u) {
            let z = max(likeness[m], 0.0);
            likeness[m] = z;
            sum += 0.5 * z * z;
        }
        return -total(sum, lane);
    }
    @if(!relu) {
        var largest = -3.0e38;
        for (var m = lane; m < MEMORIES; m += 64u) { largest = max(largest, p.beta * likeness[m]); }
        let top = tree_max(vec4<f32>(largest), lane).x;
        @if(softmax) {
            for (var m = lane; m < MEMORIES; m += 64u) { sum += exp(p.beta * likeness[m] - top); }
            let whole = total(sum, lane);
            for (var m = lane; m < MEMORIES; m += 64u) { likeness[m] = exp(p.beta * likeness[m] - top) / whole; }
            return -(top + log(whole)) / p.beta;
        }
        @if(!softmax) {
            @if(sparsemax) let factor = p.beta;
            @if(entmax15) let factor = 0.5 * p.beta;
            // The threshold at which the weights sum to 1 lies less than 1 below the largest.
            var high = top * factor / p.beta;
            var low = high - 1.0;
            for (var k = 0u; k < 32u; k++) {
                let middle = 0.5 * (low + high);
                var part = 0.0;
                for (var m = lane; m < MEMORIES; m += 64u) { part += over(factor * likeness[m] - middle); }
                if total(part, lane) >= 1.0 { low = middle; } else { high = middle; }
            }
            var won = 0.0;
            for (var m = lane; m < MEMORIES; m += 64u) {
                let z = likeness[m];
                let weight = over(factor * z - low);
                @if(sparsemax) { won += weight * p.beta * z - 0.5 * weight * weight; }
                @if(entmax15) { won += weight * p.beta * z - 4.0 / 3.0 * weight * sqrt(weight); }
                likeness[m] = weight;
            }
            @if(sparsemax) let whole = 0.5;
            @if(entmax15) let whole = 4.0 / 3.0;
            return -(total(won, lane) + whole) / p.beta;
        }
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.x + group.y * groups.x;
    let alive = row < p.rows;
    let first = min(row, p.rows - 1u) * QUADS;
    for (var i = lane; i < QUADS; i += 64u) { state[i] = v[first + i]; }
    workgroupBarrier();
    @if(traced) let last = p.steps + 1u;
    @if(!traced) let last = p.steps;
    for (var t = 0u; t < last; t++) {
        for (var m = lane; m < MEMORIES; m += 64u) {
            var sum = 0.0;
            for (var i = 0u; i < QUADS; i++) { sum += dot(memories[m * QUADS + i], state[i]); }
            likeness[m] = sum;
        }
        workgroupBarrier();
        let energy = weigh(lane);
        workgroupBarrier();
        @if(traced) {
            var size = 0.0;
            for (var i = lane; i < QUADS; i += 64u) { size += 0.5 * dot(state[i], state[i]); }
            let whole = total(size, lane);
            if alive && lane == 0u { energies[p.row + t * p.rows + row] = vec4<f32>(energy + whole, 0.0, 0.0, 0.0); }
        }
        if t < p.steps {
            for (var i = lane; i < QUADS; i += 64u) {
                var found = vec4<f32>(0.0);
                for (var m = 0u; m < MEMORIES; m++) { found += likeness[m] * memories[m * QUADS + i]; }
                let own = state[i];
                var moved = own + p.rate * (found - own);
                @if(anchored) { moved += p.anchor * (start[first + i] - own); }
                state[i] = moved;
            }
        }
        workgroupBarrier();
    }
    for (var i = lane; i < QUADS; i += 64u) {
        if alive { next[first + i] = state[i]; }
    }
}

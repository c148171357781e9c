// A step of the gated recurrent residual block: y = r + sigmoid(gate) * act(s), where s is a depthwise separable
// 3x3 convolution of features and state r (`still_input`: of features) and gate a 1x1 convolution of both
// (`still_gate`: of features).
//
// Tiling: a workgroup makes 8 x 64 / QUADS pixels of QUADS vec4 of channels, an invocation 8 pixels of a row of one
// vec4 of both products in registers. The depthwise part and what the gate sees are staged in workgroup memory,
// QUADS / 2 vec4 of input channels at a time.
// Traffic per workgroup and input vec4: 18 vec4 loads a pixel (mostly from cache) and 12 of weights an invocation, for 384
// multiply-adds an invocation; features and state are read c4 / QUADS times, and only y is written.

import package::variant::QUADS;
import package::shared::lanes::clear_padding;
import package::shared::activate::{activate, sigmoid};
import package::shared::tile::product;

struct Params { batch: u32, h: u32, w: u32, c: u32, c4: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> features: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> state: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> depth_w: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> depth_b: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> point_w: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> gate_w: array<vec4<f32>>;
// Of s, then of the gate.
@group(0) @binding(8) var<storage, read> biases: array<vec4<f32>>;

const RUN = 8u;
const ROWS = 64u / QUADS;
const STEP = QUADS / 2u;
// Pixels of a tile times STEP.
const STAGED = 256u;

var<workgroup> depthwise: array<vec4<f32>, STAGED>;
var<workgroup> still: array<vec4<f32>, STAGED>;
@if(!still_gate) var<workgroup> moving: array<vec4<f32>, STAGED>;

var<private> s: array<vec4<f32>, RUN>;
var<private> gate: array<vec4<f32>, RUN>;

// The depthwise convolution at a pixel, for one vec4 of channels.
fn depthwise_at(n: u32, at: vec2<u32>, c: u32) -> vec4<f32> {
    var sum = depth_b[c];
    for (var ky = 0u; ky < 3u; ky++) {
        let iy = i32(at.y + ky) - 1;
        if iy < 0 || iy >= i32(p.h) { continue; }
        for (var kx = 0u; kx < 3u; kx++) {
            let ix = i32(at.x + kx) - 1;
            if ix < 0 || ix >= i32(p.w) { continue; }
            let place = ((n * p.h + u32(iy)) * p.w + u32(ix)) * p.c4 + c;
            var seen = features[place];
            @if(!still_input) { seen += state[place]; }
            sum = fma(seen, depth_w[(3u * ky + kx) * p.c4 + c], sum);
        }
    }
    return sum;
}

fn point_rows(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(point_w[at], point_w[at + p.c4], point_w[at + 2u * p.c4], point_w[at + 3u * p.c4]);
}

fn gate_rows(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(gate_w[at], gate_w[at + p.c4], gate_w[at + 2u * p.c4], gate_w[at + 3u * p.c4]);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let blocks = (p.c4 + QUADS - 1u) / QUADS;
    var rest = group.x + group.y * groups.x;
    let col = rest % blocks * QUADS + local % QUADS;
    rest /= blocks;
    let across = (p.w + RUN - 1u) / RUN;
    let left = rest % across * RUN;
    rest /= across;
    let down = (p.h + ROWS - 1u) / ROWS;
    let top = rest % down * ROWS;
    let n = rest / down;
    // Groups past the end store nothing; they may not leave before the barriers.
    let weight_col = min(col, p.c4 - 1u);
    let row = local / QUADS;
    for (var first = 0u; first < p.c4; first += STEP) {
        for (var item = local; item < STAGED; item += 64u) {
            let pixel = item / STEP;
            let at = vec2<u32>(left + pixel % RUN, top + pixel / RUN);
            let c = first + item % STEP;
            if n < p.batch && at.x < p.w && at.y < p.h && c < p.c4 {
                let place = ((n * p.h + at.y) * p.w + at.x) * p.c4 + c;
                depthwise[item] = depthwise_at(n, at, c);
                still[item] = features[place];
                @if(!still_gate) { moving[item] = state[place]; }
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < min(STEP, p.c4 - first); k++) {
            let weight = 4u * (first + k) * p.c4 + weight_col;
            let point = point_rows(weight);
            let of_still = gate_rows(weight);
            for (var i = 0u; i < RUN; i++) {
                let item = (row * RUN + i) * STEP + k;
                s[i] = product(depthwise[item], point, s[i]);
                gate[i] = product(still[item], of_still, gate[i]);
            }
            @if(!still_gate) {
                let of_moving = gate_rows(weight + 4u * p.c4 * p.c4);
                for (var i = 0u; i < RUN; i++) {
                    gate[i] = product(moving[(row * RUN + i) * STEP + k], of_moving, gate[i]);
                }
            }
        }
        workgroupBarrier();
    }
    if n >= p.batch || top + row >= p.h || col >= p.c4 { return; }
    for (var i = 0u; i < min(RUN, p.w - left); i++) {
        let place = ((n * p.h + top + row) * p.w + left + i) * p.c4 + col;
        let step = sigmoid(gate[i] + biases[p.c4 + col]) * activate(s[i] + biases[col], p.slope);
        y[place] = state[place] + clear_padding(step, col, p.c);
    }
}

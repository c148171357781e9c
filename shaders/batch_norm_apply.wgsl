// Normalises, with a sum before or after the activation in the same pass.
//
// Tiling: an invocation keeps what one vec4 of channels needs in registers over RUN pixels. Traffic: x (and the
// summand) read once, y written once.

import package::variant::RUN;
import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::activate::activate;

struct Params { pixels: u32, c4: u32, channels: u32, slope: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> statistics: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> beta: array<vec4<f32>>;
@if(before || after) @group(0) @binding(6) var<storage, read> joined: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let index = invocation(gid, groups);
    let block = index / p.c4;
    let c = index - block * p.c4;
    let mean = statistics[c];
    let rstd = statistics[p.c4 + c];
    let scale = gamma[c];
    let shift = beta[c];
    for (var pixel = block * RUN; pixel < min(block * RUN + RUN, p.pixels); pixel++) {
        let i = pixel * p.c4 + c;
        // Subtracting the mean first keeps a large common offset from costing digits.
        var v = fma((x[i] - mean) * rstd, scale, shift);
        @if(before) { v += joined[i]; }
        v = activate(v, p.slope);
        @if(after) { v += joined[i]; }
        y[i] = clear_padding(v, c, p.channels);
    }
}

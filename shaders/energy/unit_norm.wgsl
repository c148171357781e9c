// The channels of each pixel divided by their norm, which counts as `eps` at least, or the gradient by them.
//
// One invocation a pixel, which walks its channels three times: squares are taken of channels divided by the largest,
// so that they neither overflow nor vanish. Padding lanes hold zero. Traffic: x (and dy) read once from memory and
// then from cache, the result written once.

import package::shared::grid::invocation;

struct Params { pixels: u32, c4: u32, eps: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> result: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(backward) @group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.pixels { return; }
    let first = i * p.c4;
    let end = first + p.c4;
    var most = vec4<f32>(0.0);
    for (var c = first; c < end; c++) {
        most = max(most, abs(x[c]));
    }
    // Where all are far below eps the norm is, too.
    let unit = max(max(max(most.x, most.y), max(most.z, most.w)), p.eps);
    var squares = 0.0;
    @if(backward) var along = 0.0;
    for (var c = first; c < end; c++) {
        let v = x[c] / unit;
        squares += dot(v, v);
        @if(backward) { along += dot(v, dy[c]); }
    }
    // Near 1 at least, unless the norm is below eps.
    let length = sqrt(max(squares, 1e-37));
    let inside = length * unit <= p.eps;
    let divisor = select(length * unit, p.eps, inside);
    @if(backward) let share = select(along / max(squares, 1e-37), 0.0, inside);
    for (var c = first; c < end; c++) {
        @if(backward) { result[c] = (dy[c] - x[c] / unit * share) / divisor; }
        @if(!backward) { result[c] = x[c] / divisor; }
    }
}

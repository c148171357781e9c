// Gaussian blur along one axis of the picture, borders repeated, times a factor; the deviation may be each picture's
// own.
//
// One invocation a vec4. Traffic: y once; x 2 * RADIUS + 1 times, mostly from cache.

import package::variant::RADIUS;
import package::shared::grid::invocation;

// `across`: 1 along rows, 0 along columns. `narrow` is 1 / (2 sigma^2), of the largest sigma if each picture has its own.
struct Params { size: u32, c4: u32, h: i32, w: i32, across: i32, narrow: f32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(each) @group(0) @binding(3) var<storage, read> sigmas: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i32(i / p.c4);
    let column = pixel % p.w;
    let line = pixel / p.w;
    let row = line % p.h;
    let first_line = line - row;
    var narrow = p.narrow;
    @if(each) {
        // A picture that is not to be blurred gets a Gaussian that is nothing but its middle.
        let sigma = sigmas[u32(line / p.h)].x;
        narrow = select(1e6, max(p.narrow, 0.5 / (sigma * sigma)), sigma > 1e-3);
    }
    var sum = vec4<f32>(0.0);
    var whole = 0.0;
    for (var d = -i32(RADIUS); d <= i32(RADIUS); d++) {
        let weight = exp(-f32(d * d) * narrow);
        let at_x = clamp(column + d * p.across, 0, p.w - 1);
        let at_y = clamp(row + d * (1 - p.across), 0, p.h - 1);
        sum += weight * x[u32((first_line + at_y) * p.w + at_x) * p.c4 + i % p.c4];
        whole += weight;
    }
    y[i] = sum * (p.scale / whole);
}

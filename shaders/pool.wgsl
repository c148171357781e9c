// Maximum or mean of each channel over windows of pixels.
//
// One invocation a vec4 of y. Traffic: y written once, x read once a window that covers it, from cache
// where windows overlap.

import package::shared::grid::invocation;
import package::shared::window::Window;

@group(0) @binding(0) var<uniform> p: Window;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i32(i / p.c4);
    let top = pixel / p.out_w % p.out_h * p.stride_y - p.pad_y;
    let left = pixel % p.out_w * p.stride_x - p.pad_x;
    let picture = pixel / (p.out_w * p.out_h) * p.in_h;
    let first_y = max(top, 0);
    let first_x = max(left, 0);
    let c = i % p.c4;
    var v = vec4<f32>(0.0);
    // Padding never wins, and every window holds at least one pixel.
    @if(largest) { v = x[u32((picture + first_y) * p.in_w + first_x) * p.c4 + c]; }
    for (var iy = first_y; iy < min(top + p.kernel_h, p.in_h); iy++) {
        for (var ix = first_x; ix < min(left + p.kernel_w, p.in_w); ix++) {
            let seen = x[u32((picture + iy) * p.in_w + ix) * p.c4 + c];
            @if(largest) { v = max(v, seen); }
            @if(!largest) { v += seen; }
        }
    }
    y[i] = v * p.scale;
}

// Gradient of a depthwise convolution by its weight, first stage: partial sums over a share of the rows.
//
// Tiling: an invocation sums one tap of one vec4 of channels over the pixels of its share.
// Traffic per pixel: 2 vec4 loads (the taps share them through the cache) for 4 multiply-adds.

import package::shared::correlation::Correlation;
import package::shared::grid::invocation;

@group(0) @binding(0) var<uniform> p: Correlation;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> dy: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    let taps = u32(p.kernel_h * p.kernel_w);
    let c = i % p.out_c4;
    let tap = i / p.out_c4 % taps;
    let share = i / p.out_c4 / taps;
    if share >= p.shares { return; }
    let ky = i32(tap) / p.kernel_w * p.dilation_y - p.pad_y;
    let kx = i32(tap) % p.kernel_w * p.dilation_x - p.pad_x;
    let first = max(0, (p.stride_x - 1 - kx) / p.stride_x);
    let last = min(p.out_w, (p.in_w - 1 - kx + p.stride_x) / p.stride_x);
    var acc = vec4<f32>(0.0);
    for (var line = i32(share); line < p.batch * p.out_h; line += i32(p.shares)) {
        let iy = (line % p.out_h) * p.stride_y + ky;
        if iy < 0 || iy >= p.in_h { continue; }
        let in_row = (line / p.out_h * p.in_h + iy) * p.in_w + kx;
        for (var ox = first; ox < last; ox++) {
            let v = x[u32(in_row + ox * p.stride_x) * p.in_c4 + c];
            acc = fma(v, dy[u32(line * p.out_w + ox) * p.out_c4 + c], acc);
        }
    }
    partial[i] = acc;
}

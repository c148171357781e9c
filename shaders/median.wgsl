// Median of the 3x3 pixels around each, channel by channel, borders repeated.
//
// One invocation a vec4: the nine values are sorted as far as their middle needs, by Paeth's 19 exchanges (Graphics
// Gems, 1990). Traffic: y once; x nine times, mostly from cache.

import package::shared::grid::invocation;

struct Params { size: u32, c4: u32, h: i32, w: i32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(each) @group(0) @binding(3) var<storage, read> which: array<vec4<f32>>;

struct Pair { low: vec4<f32>, high: vec4<f32> }

fn sorted(a: vec4<f32>, b: vec4<f32>) -> Pair {
    return Pair(min(a, b), max(a, b));
}

struct Triple { low: vec4<f32>, middle: vec4<f32>, high: vec4<f32> }

fn ordered(a: vec4<f32>, b: vec4<f32>, c: vec4<f32>) -> Triple {
    let first = sorted(a, b);
    let second = sorted(first.high, c);
    let third = sorted(first.low, second.low);
    return Triple(third.low, third.high, second.high);
}

fn seen(line: i32, row: i32, column: i32, c: u32) -> vec4<f32> {
    let at = (line + clamp(row, 0, p.h - 1)) * p.w + clamp(column, 0, p.w - 1);
    return x[u32(at) * p.c4 + c];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let pixel = i32(i / p.c4);
    let c = i % p.c4;
    let column = pixel % p.w;
    let line = pixel / p.w;
    let row = line % p.h;
    let first = line - row;
    let left = ordered(seen(first, row - 1, column - 1, c), seen(first, row, column - 1, c), seen(first, row + 1, column - 1, c));
    let here = ordered(seen(first, row - 1, column, c), seen(first, row, column, c), seen(first, row + 1, column, c));
    let right = ordered(seen(first, row - 1, column + 1, c), seen(first, row, column + 1, c), seen(first, row + 1, column + 1, c));
    // The middle of nine is the middle of: the largest of the low, the middle of the middle, the least of the high.
    let low = max(max(left.low, here.low), right.low);
    let middle = ordered(left.middle, here.middle, right.middle).middle;
    let high = min(min(left.high, here.high), right.high);
    var median = ordered(low, middle, high).middle;
    @if(each) { median = select(x[i], median, which[u32(line / p.h)].x != 0.0); }
    y[i] = median;
}

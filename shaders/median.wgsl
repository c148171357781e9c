// Median of the 3x3 (or, `five`, 5x5) pixels around each, channel by channel, borders repeated.
//
// One invocation a vec4. Nine values are sorted as far as their middle needs, by Paeth's 19 exchanges (Graphics Gems,
// 1990). Of 25 the middle is the one that at most twelve are below and more than twelve are not above: each is counted
// against all, since an array that is sorted would not stay in registers. Traffic: y once; x nine times, or 650, mostly
// from cache.

import package::shared::grid::invocation;

struct Params { size: u32, c4: u32, h: i32, w: i32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@if(each) @group(0) @binding(3) var<storage, read> which: array<vec4<f32>>;

@if(!five) struct Pair { low: vec4<f32>, high: vec4<f32> }

@if(!five)
fn sorted(a: vec4<f32>, b: vec4<f32>) -> Pair {
    return Pair(min(a, b), max(a, b));
}

@if(!five) struct Triple { low: vec4<f32>, middle: vec4<f32>, high: vec4<f32> }

@if(!five)
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

@if(!five)
fn middle(line: i32, row: i32, column: i32, c: u32) -> vec4<f32> {
    let left = ordered(seen(line, row - 1, column - 1, c), seen(line, row, column - 1, c), seen(line, row + 1, column - 1, c));
    let here = ordered(seen(line, row - 1, column, c), seen(line, row, column, c), seen(line, row + 1, column, c));
    let right = ordered(seen(line, row - 1, column + 1, c), seen(line, row, column + 1, c), seen(line, row + 1, column + 1, c));
    // The middle of nine is the middle of: the largest of the low, the middle of the middle, the least of the high.
    let low = max(max(left.low, here.low), right.low);
    let between = ordered(left.middle, here.middle, right.middle).middle;
    let high = min(min(left.high, here.high), right.high);
    return ordered(low, between, high).middle;
}

@if(five)
fn middle(line: i32, row: i32, column: i32, c: u32) -> vec4<f32> {
    var found = vec4<f32>(0.0);
    for (var i = 0; i < 25; i++) {
        let value = seen(line, row + i / 5 - 2, column + i % 5 - 2, c);
        var below = vec4<f32>(0.0);
        var not_above = vec4<f32>(0.0);
        for (var j = 0; j < 25; j++) {
            let other = seen(line, row + j / 5 - 2, column + j % 5 - 2, c);
            let is_below = other < value;
            let is_not_above = other <= value;
            below += select(vec4<f32>(0.0), vec4<f32>(1.0), is_below);
            not_above += select(vec4<f32>(0.0), vec4<f32>(1.0), is_not_above);
        }
        let is_middle = (below <= vec4<f32>(12.0)) & (not_above > vec4<f32>(12.0));
        found = select(found, value, is_middle);
    }
    return found;
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
    var median = middle(first, row, column, c);
    @if(each) { median = select(x[i], median, which[u32(line / p.h)].x != 0.0); }
    y[i] = median;
}

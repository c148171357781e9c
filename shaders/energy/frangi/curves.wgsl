// Eigenvalues of the Hessian of each pixel: their norm S (x), and R, the smaller over the larger (y), both as Frangi's
// filter wants them.
//
// One invocation a pixel. Derivatives are central differences, one-sided at borders, of such differences, so a pixel
// looks up to two pixels away. Traffic: y once; x twelve times, mostly from cache.

import package::shared::grid::invocation;

struct Params { size: u32, h: i32, w: i32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;

// The two places on an axis of `size` whose difference tells the slope at `at`, and one by their distance.
struct Span { low: i32, high: i32, by: f32 }

fn span(at: i32, size: i32) -> Span {
    let low = max(at - 1, 0);
    let high = min(at + 1, size - 1);
    // An axis of one pixel has no slope.
    return Span(low, high, 1.0 / f32(max(high - low, 1)));
}

fn value(line: i32, column: i32) -> f32 {
    return x[u32(line * p.w + column)].x;
}

// Slopes of the picture that begins at line `first`.
fn across(first: i32, row: i32, column: i32) -> f32 {
    let s = span(column, p.w);
    return (value(first + row, s.high) - value(first + row, s.low)) * s.by;
}

fn down(first: i32, row: i32, column: i32) -> f32 {
    let s = span(row, p.h);
    return (value(first + s.high, column) - value(first + s.low, column)) * s.by;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let column = i32(i) % p.w;
    let line = i32(i) / p.w;
    let row = line % p.h;
    let first = line - row;
    let s = span(column, p.w);
    let t = span(row, p.h);
    let xx = (across(first, row, s.high) - across(first, row, s.low)) * s.by;
    let yx = (down(first, row, s.high) - down(first, row, s.low)) * s.by;
    let yy = (down(first, t.high, column) - down(first, t.low, column)) * t.by;
    let mean = 0.5 * (yy + xx);
    let apart = 0.5 * (yy - xx);
    let squares = apart * apart + yx * yx;
    // The root of zero may be computed through an infinity.
    let root = select(sqrt(max(squares, 1e-37)), 0.0, squares == 0.0);
    let large = select(mean + root, mean - root, mean < 0.0);
    // By the determinant: where a row is zero, so is the eigenvalue, and exactly.
    let small = select((yy * xx - yx * yx) / select(large, 1.0, large == 0.0), 0.0, large == 0.0);
    let norm = small * small + large * large;
    // Far above 1 the response is none.
    let ratio = min(min(abs(small), 1e9) / max(large, 1e-10), 100.0);
    y[i] = vec4<f32>(select(sqrt(max(norm, 1e-37)), 0.0, norm == 0.0), ratio, 0.0, 0.0);
}

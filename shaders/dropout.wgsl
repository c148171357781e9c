// Sets random elements, or random pictures, to zero and scales up the rest; the gradient is the same pass over dy.
//
// One invocation a vec4. Traffic: x and y once; the mask is never stored.

import package::shared::grid::invocation;
import package::shared::random::{key_of, random_words};

// An element is kept where its word is at least `threshold`; `picture` counts the vec4s of one.
struct Params { size: u32, picture: u32, salt: u32, threshold: u32, scale: f32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> words: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    let key = key_of(words[0], p.salt);
    var drawn: vec4<u32>;
    @if(!pictures) { drawn = random_words(key, i); }
    @if(pictures) { drawn = random_words(key, i / p.picture).xxxx; }
    y[i] = select(vec4<f32>(0.0), x[i] * p.scale, drawn >= vec4<u32>(p.threshold));
}

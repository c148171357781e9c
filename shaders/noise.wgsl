// Random numbers, uniform in -1..1: a function of the run's words, a salt and the place.
//
// One invocation a vec4. Traffic: y written once.

import package::shared::grid::invocation;
import package::shared::lanes::clear_padding;
import package::shared::random::{key_of, random_words};

struct Params { size: u32, c4: u32, channels: u32, salt: u32 }

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> words: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) gid: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = invocation(gid, groups);
    if i >= p.size { return; }
    // 24 bits, as many as an f32 holds exactly.
    let drawn = vec4<f32>(random_words(key_of(words[0], p.salt), i) >> vec4<u32>(8u));
    y[i] = clear_padding(drawn * (1.0 / 8388608.0) - 1.0, i % p.c4, p.channels);
}

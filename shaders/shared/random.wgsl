// Counter-based random words: four of them are a function of four, and of nothing else, so that any
// invocation can make its own and a gradient can make them again. (Jarzynski and Olano, Hash Functions for
// GPU Rendering, 2020.)

fn pcg4d(counter: vec4<u32>) -> vec4<u32> {
    var v = counter * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

// The key of one use of random numbers, from the four words of a run (seed, step, ...) and a salt that tells
// apart the uses within the run.
fn key_of(words: vec4<u32>, salt: u32) -> vec4<u32> {
    return pcg4d(words ^ vec4<u32>(0u, 0u, 0u, salt));
}

// Words number 4 i to 4 i + 3 under a key.
fn random_words(key: vec4<u32>, i: u32) -> vec4<u32> {
    return pcg4d(key ^ vec4<u32>(i, 0u, 0u, 0u));
}

// Lanes of a vec4 past the last channel hold zero in storage; kernels whose arithmetic would put
// something else there clear them.

fn present(c4: u32, channels: u32) -> vec4<bool> {
    return vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4 < vec4<u32>(channels);
}

fn clear_padding(v: vec4<f32>, c4: u32, channels: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), v, present(c4, channels));
}

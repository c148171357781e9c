// Integers of eight bits, the four channels of a vec4 in one word: q stands for (q - zero) * scale.

// The word of `v`; `inverse` is 1 / scale. Lanes that are not present hold zero.
fn packed(v: vec4<f32>, inverse: f32, zero: f32, present: vec4<bool>) -> u32 {
    let q = clamp(round(v * inverse) + zero, vec4<f32>(-128.0), vec4<f32>(127.0));
    return pack4xI8(select(vec4<i32>(0), vec4<i32>(q), present));
}

// The integers of a word, exact.
fn unpacked(word: u32) -> vec4<f32> {
    return vec4<f32>(unpack4xI8(word));
}

// A tile of a matrix product in registers: 4 rows of four numbers along the shared axis against a 4 x 4
// block of the right factor, whose members are its rows.

fn product(a: vec4<f32>, b: mat4x4<f32>, sum: vec4<f32>) -> vec4<f32> {
    return fma(vec4<f32>(a.x), b[0], fma(vec4<f32>(a.y), b[1], fma(vec4<f32>(a.z), b[2],
        fma(vec4<f32>(a.w), b[3], sum))));
}

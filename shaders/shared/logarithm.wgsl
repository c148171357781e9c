// Logarithms that keep their digits.

// log(1 + e) for 0 <= e <= 1; the sum has lost the digits of a small e.
fn log_one_plus(e: vec4<f32>) -> vec4<f32> {
    return select(log(1.0 + e), e * (1.0 - 0.5 * e), e < vec4<f32>(1e-3));
}
